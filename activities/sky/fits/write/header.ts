/** Header units: what an HDU must begin with, the cards that describe it, and checksums over all of it. */
import type { Card, CardValue } from '../card.ts';
import { cardLength, formatCard } from './cards.ts';
import { ChecksumSum, encodeChecksum } from './checksum.ts';

/** Bytes: headers and data fill whole blocks. */
export const blockLength = 2880;

/** What the writer says itself: it never comes from the cards it is given. */
const structural = new RegExp(
  `^(?:${[
    'SIMPLE|XTENSION|EXTEND|BLOCKED|BITPIX|NAXIS\\d*|PCOUNT|GCOUNT|GROUPS|P(?:TYPE|SCAL|ZERO)\\d+|END|CHECKSUM|DATASUM',
    'TFIELDS|THEAP|T(?:TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM|BCOL)\\d+',
    'ZIMAGE|ZSIMPLE|ZTENSION|ZEXTEND|ZBLOCKED|ZBITPIX|ZNAXIS\\d*|ZPCOUNT|ZGCOUNT|ZHECKSUM|ZDATASUM',
    'ZTILE\\d+|ZCMPTYPE|ZNAME\\d+|ZVAL\\d+|ZQUANTIZ|ZDITHER0|ZBLANK|ZSCALE|ZZERO|ZMASKCMP',
  ].join('|')})$`,
);

/** Whether `keyword` says how an HDU is laid out, compressed or summed: an image written anew has its own. */
export function isStructural(keyword: string): boolean {
  return structural.test(keyword);
}

/** A card as it is made: keyword, value, comment. */
export function card(keyword: string, value: CardValue, comment = ''): Card {
  return { keyword, value, comment };
}

/** Of cards as they were read: many images are cut out of one, and all have most of its cards. */
const texts = new WeakMap<Card, string>();

/** Nothing of a structural one. Throws as `formatCard` does. */
function givenText(one: Card): string {
  const known = one.raw === undefined ? undefined : texts.get(one);
  if (known !== undefined) return known;
  const text = structural.test(one.keyword) ? '' : formatCard(one);
  if (one.raw !== undefined) texts.set(one, text);
  return text;
}

/** The header unit of one HDU, whose length is known before its data are. */
export class HeaderUnit {
  readonly #given: string;
  readonly #count: number;
  readonly #least: number;

  /**
   * `structuralCount` cards will lead, then those of `cards` that are not structural; blank ones are put before END where these are fewer than
   * `least` bytes. Throws as `formatCard` does.
   */
  constructor(structuralCount: number, cards: Iterable<Card>, least = 0) {
    this.#least = least;
    let given = '';
    for (const one of cards) given += givenText(one);
    // Asked for where strings go on in CONTINUE cards, by the convention that these came from.
    if (given.includes('CONTINUE  ') && !given.includes('LONGSTRN= ')) {
      given = formatCard(card('LONGSTRN', 'OGIP 1.0', 'strings may go on in CONTINUE cards')) + given;
    }
    this.#given = given;
    // With CHECKSUM, DATASUM and END.
    this.#count = structuralCount + given.length / cardLength + 3;
  }

  /** Bytes. */
  get length(): number {
    return Math.max(this.#least, Math.ceil((this.#count * cardLength) / blockLength) * blockLength);
  }

  /** The bytes, for data that sum to `dataSum`: the HDU as a whole sums to −0. */
  bytes(structuralCards: readonly Card[], dataSum: number): Uint8Array {
    const lead = structuralCards.map(formatCard).join('') + this.#given;
    const text =
      lead +
      formatCard(card('CHECKSUM', '0'.repeat(16), 'HDU checksum')) +
      formatCard(card('DATASUM', String(dataSum), 'data unit checksum'));
    const bytes = Buffer.alloc(this.length, ' ', 'latin1');
    bytes.write(text, 'latin1');
    // END is in the last block: where there is room for more cards than there are, blank ones come before it.
    bytes.write('END', Math.max(text.length, bytes.length - blockLength), 'latin1');
    // Of cards copied from a file that is not as it should be.
    for (let i = 0; i < text.length; i++) if (bytes[i]! < 0x20 || bytes[i]! > 0x7e) bytes[i] = 0x3f;
    const sum = new ChecksumSum();
    sum.add(bytes);
    sum.addSum(dataSum);
    bytes.write(encodeChecksum(sum.sum), lead.length + 11, 'latin1');
    return bytes;
  }
}
