/** Streams of packets whose clock starts anew: their times are counted on, packet by packet. Pure. */

/** Seconds by which a clock may go on at once; more is another clock (FFmpeg's own bound, `dts_delta_threshold`). */
const MOST_STEP = 10;
/** Seconds by which decoding times may go back without being another clock. */
export const MOST_BACK = 0.5;

/** Of packets in order of decoding: what is to be added to the times of each. In units of the stream. */
export class Continuity {
  readonly #unit: number;
  #offset = 0;
  #last: number | undefined;
  /** How long the last packets lasted, the least usual step. */
  #step = 0;
  #breaks = 0;

  /** `unit` seconds. */
  constructor(unit: number) {
    this.#unit = unit;
  }

  /** Clocks that ended. */
  get breaks(): number {
    return this.#breaks;
  }

  /** For a packet decoded at `time`, as its file says. */
  offsetOf(time: number, duration: number): number {
    const counted = time + this.#offset;
    if (this.#last !== undefined) {
      const step = (counted - this.#last) * this.#unit;
      if (step < -MOST_BACK || step > MOST_STEP) {
        this.#breaks++;
        this.#offset += Math.round(this.#last + this.#step - counted);
      } else if (step > 0) this.#step = counted - this.#last;
    }
    if (duration > 0) this.#step = duration;
    this.#last = time + this.#offset;
    return this.#offset;
  }
}
