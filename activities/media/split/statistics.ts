/** The lines of a statistics file as a pass tells them: a part with each cursor, so that a pass that goes on tells what follows. */
import type { PictureEvidence } from '../scenes/scenes.ts';
import { statisticsLine } from '../scenes/statistics.ts';
import type { SplitCursor } from './cursor.ts';

/** Lines of a file at most: some 200 MB, nine hours at 60 pictures a second. */
export const MOST_LINES = 2_000_000;

export class Statistics {
  #state: NonNullable<SplitCursor['statistics']>;
  #text = '';

  constructor(state: SplitCursor['statistics'] | undefined) {
    this.#state = { ...(state ?? { parts: 0, lines: 0, until: Number.MIN_SAFE_INTEGER }) };
  }

  /** Adds those that were not told before. */
  add(evidence: readonly PictureEvidence[]): void {
    for (const picture of evidence) {
      if (picture.at <= this.#state.until || this.full) continue;
      this.#text += statisticsLine(picture);
      this.#state.lines++;
      this.#state.until = picture.at;
    }
  }

  /** No further line is taken. */
  get full(): boolean {
    return this.#state.lines >= MOST_LINES;
  }

  /** The lines since the last part; absent where there are none. */
  take(): { statistics?: string } {
    const statistics = this.#text;
    if (statistics === '') return {};
    this.#text = '';
    this.#state.parts++;
    return { statistics };
  }

  /** After `take`. */
  get state(): NonNullable<SplitCursor['statistics']> {
    return { ...this.#state };
  }
}
