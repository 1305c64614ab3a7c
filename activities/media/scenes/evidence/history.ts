/** The pictures of the last seconds as samples without the borders that they have in common. */
import { thresholds } from '../thresholds.ts';
import { type Borders, bordersOf, type Inside, insideOf } from './borders.ts';
import { type Planes, type Sample, takeSample } from './sample.ts';

const { seconds, pictures } = thresholds.memory;

interface Entry {
  readonly whole: Planes;
  readonly borders: Borders | undefined;
}

export class History {
  readonly #entries: Entry[] = [];
  #samples: Sample[] = [];
  #inside: Inside | undefined;

  /** In order of time. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** What is within the borders; undefined before the first picture. */
  get inside(): Inside | undefined {
    return this.#inside;
  }

  /**
   * Adds a picture and forgets what is too old, `needed` of the last at least left in place. How many were forgotten, and whether all samples are
   * new ones, as the borders have become others.
   */
  push(whole: Planes, needed: number): { forgotten: number; anew: boolean } {
    this.#entries.push({ whole, borders: bordersOf(whole) });
    let forgotten = 0;
    const most = this.#entries.length - Math.max(pictures, needed);
    while (forgotten < most && this.#entries[forgotten]!.whole.at < whole.at - seconds) forgotten++;
    this.#entries.splice(0, forgotten);
    this.#samples.splice(0, forgotten);
    const inside = insideOf(
      this.#entries.map(({ borders }) => borders),
      whole,
    );
    const anew = this.#inside !== undefined && !isSame(inside, this.#inside);
    this.#inside = inside;
    if (anew) this.#samples = [];
    for (const entry of this.#entries.slice(this.#samples.length))
      this.#samples.push(takeSample(entry.whole, inside, this.#samples.at(-1)));
    return { forgotten, anew };
  }
}

const isSame = (a: Inside, b: Inside): boolean =>
  a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
