/** What a header says of its WCS: numbers and words by their names, refused where they are not what the standard wants. */
import { SkyError } from '../../errors.ts';
import type { HeaderValues } from '../../fits/card.ts';

/** Of one coordinate system of a header: `alternate` is '' or a letter. */
export class WcsHeader {
  readonly #header: HeaderValues;
  readonly alternate: string;

  constructor(header: HeaderValues, alternate: string) {
    this.#header = header;
    this.alternate = alternate;
  }

  /** Of a keyword as it stands, without the letter. Refused: what is no finite number. */
  bare(keyword: string): number | undefined {
    const value = this.#header.value(keyword);
    if (value === undefined) return undefined;
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number)) {
      throw new SkyError('invalid_fits', `${keyword} is ${JSON.stringify(String(value))}, not a number.`);
    }
    return number;
  }

  number(keyword: string): number | undefined {
    return this.bare(keyword + this.alternate);
  }

  /** Upper case, without blanks around it; undefined also where it is empty. */
  word(keyword: string): string | undefined {
    const value = this.#header.value(keyword + this.alternate);
    return (typeof value === 'string' && value.trim().toUpperCase()) || undefined;
  }

  value(keyword: string) {
    return this.#header.value(keyword + this.alternate);
  }

  keywords(): Iterable<string> {
    return this.#header.keywords();
  }
}
