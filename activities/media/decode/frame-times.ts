/** When a frame is shown, and for how long. */
import { AV_NOPTS_VALUE } from 'node-av/constants';
import type { Frame } from 'node-av/lib';
import type { Container } from './container/container.ts';

export interface FrameTimes {
  /** In the stream's time base. */
  readonly pts: number;
  /** Seconds from the start of the video. */
  readonly at: number;
  /** Seconds. */
  readonly duration: number;
}

/** `pts`, and a duration of `units`, in the stream's time base. */
export const timesOf = (container: Container, pts: number, units: number): FrameTimes => ({
  pts,
  at: container.seconds(pts),
  duration: units * container.unit,
});

/** Times of frames: what the file says, or counted on from the last where it says nothing or goes back. */
export class Clock {
  readonly #container: Container;
  readonly #frameUnits: number;
  /** AVI tells when to decode, not when to show: frames come out late by as many as wait in the decoder. */
  readonly #late: number;
  #last = Number.NEGATIVE_INFINITY;
  /** Seconds at which the last frame ends. */
  end = 0;

  constructor(container: Container) {
    this.#container = container;
    const { avgFrameRate, codecpar } = container.stream;
    const { num, den } = avgFrameRate;
    this.#frameUnits = num > 0 ? Math.max(1, Math.round(den / num / container.unit)) : 1;
    this.#late = container.format.iformat?.name === 'avi' ? codecpar.videoDelay * this.#frameUnits : 0;
  }

  read(frame: Frame): FrameTimes {
    const told = frame.bestEffortTimestamp;
    const pts = told === AV_NOPTS_VALUE ? Number.NaN : Number(told) - this.#late;
    this.#last = pts > this.#last ? pts : this.#next();
    const times = timesOf(this.#container, this.#last, Number(frame.duration) || this.#frameUnits);
    this.end = times.at + times.duration;
    return times;
  }

  #next(): number {
    if (this.#last !== Number.NEGATIVE_INFINITY) return this.#last + this.#frameUnits;
    const { startTime } = this.#container.stream;
    return startTime === AV_NOPTS_VALUE ? 0 : Number(startTime);
  }
}
