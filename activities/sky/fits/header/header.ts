import { SkyError } from '../../errors.ts';
import type { Card, CardValue, HeaderValues } from '../card.ts';
import { findEnd, readCards } from './cards.ts';

/** A header: its cards in the order of the file, END not among them. It never changes; `with`, `without` and `append` give another one. */
export class Header implements HeaderValues {
  readonly cards: readonly Card[];
  /** As problems name it: `tile.fits[1]`. */
  readonly where: string;
  private index: Map<string, Card> | undefined;

  constructor(cards: Iterable<Card>, where = 'the header') {
    this.cards = [...cards];
    this.where = where;
  }

  /** Reads whole records of 80 bytes up to END. Throws SkyError `invalid_fits` where there is no END. */
  static parse(bytes: Uint8Array, where = 'the header'): Header {
    const end = findEnd(bytes);
    if (end < 0) throw new SkyError('invalid_fits', `${where} has no END card.`);
    return new Header(readCards(bytes.subarray(0, end)), where);
  }

  /** The first card of that keyword. */
  card(keyword: string): Card | undefined {
    if (this.index === undefined) {
      this.index = new Map();
      for (const card of this.cards) if (!this.index.has(card.keyword)) this.index.set(card.keyword, card);
    }
    return this.index.get(keyword);
  }

  has(keyword: string): boolean {
    return this.card(keyword) !== undefined;
  }

  value(keyword: string): CardValue {
    return this.card(keyword)?.value;
  }

  *keywords(): Iterable<string> {
    for (const card of this.cards) yield card.keyword;
  }

  /** Throws SkyError `invalid_fits` for a value of another type, and for one that is missing where `otherwise` is not given. */
  string(keyword: string, otherwise?: string): string {
    const value = this.value(keyword) ?? otherwise;
    return typeof value === 'string' ? value : this.refuse(keyword, 'a string', value);
  }

  /** An integer that a double holds exactly; `5.0` is one too. Throws as {@link string} does. */
  integer(keyword: string, otherwise?: number): number {
    const value = this.value(keyword) ?? otherwise;
    // `fits_too_large` is for whoever knows what the number counts: beyond 2^53 it is none of ours.
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    return this.refuse(keyword, 'an integer', value);
  }

  /** Throws as {@link string} does. */
  number(keyword: string, otherwise?: number): number {
    const value = this.value(keyword) ?? otherwise;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    return typeof value === 'bigint' ? Number(value) : this.refuse(keyword, 'a number', value);
  }

  /** Throws as {@link string} does. */
  boolean(keyword: string, otherwise?: boolean): boolean {
    const value = this.value(keyword) ?? otherwise;
    return typeof value === 'boolean' ? value : this.refuse(keyword, 'T or F', value);
  }

  /** The first card of that keyword with another value, in its place, or a new card at the end. Its comment stays unless another is given. */
  with(keyword: string, value: CardValue, comment?: string): Header {
    const old = this.card(keyword);
    const card: Card = { keyword, value, comment: comment ?? old?.comment ?? '' };
    return old === undefined
      ? this.append(card)
      : new Header(
          this.cards.map((other) => (other === old ? card : other)),
          this.where,
        );
  }

  /** Without any card of those keywords. */
  without(...keywords: readonly string[]): Header {
    const gone = new Set(keywords);
    return this.filter((card) => !gone.has(card.keyword));
  }

  filter(keep: (card: Card) => boolean): Header {
    return new Header(this.cards.filter(keep), this.where);
  }

  /** With those cards at the end. */
  append(...cards: readonly Card[]): Header {
    return new Header([...this.cards, ...cards], this.where);
  }

  private refuse(keyword: string, wanted: string, found: CardValue): never {
    const problem = found === undefined ? 'is missing' : `is ${String(found).slice(0, 80)}, not ${wanted}`;
    throw new SkyError('invalid_fits', `${keyword} of ${this.where} ${problem}.`);
  }
}
