/** An image HDU that is not compressed. */
import type { Pixels } from '../../image/plane.ts';
import type { Card } from '../card.ts';
import type { Bitpix } from '../read/file.ts';
import { ChecksumSum } from './checksum.ts';
import type { ImageSpec } from './file.ts';
import { blockLength, card, HeaderUnit } from './header.ts';
import { type ImageWriter, type Place, RowCount, toBigEndian, withCards, writable } from './image.ts';

/** Bytes turned to the order of FITS at a time. */
const pieceLength = 1 << 20;

export class PlainImage implements ImageWriter {
  readonly #place: Place;
  readonly #bitpix: Bitpix;
  readonly #count: RowCount;
  readonly #lead: readonly Card[];
  readonly #header: HeaderUnit;
  readonly #sum = new ChecksumSum();
  #position: number;

  constructor({ width, height, bitpix, cards }: ImageSpec, place: Place) {
    this.#place = place;
    this.#bitpix = bitpix;
    this.#count = new RowCount(width, height, bitpix);
    const { first } = place;
    this.#lead = [
      first
        ? card('SIMPLE', true, 'conforms to FITS standard')
        : card('XTENSION', 'IMAGE', 'image extension'),
      card('BITPIX', bitpix, 'bits of a pixel'),
      card('NAXIS', 2),
      card('NAXIS1', width),
      card('NAXIS2', height),
      ...(first ? [card('EXTEND', true)] : [card('PCOUNT', 0), card('GCOUNT', 1)]),
    ];
    this.#header = new HeaderUnit(this.#lead.length, writable(cards, bitpix));
    this.#position = place.position + this.#header.length;
  }

  rows(pixels: Pixels): void {
    this.#count.add(pixels);
    const step = Math.floor(pieceLength / pixels.BYTES_PER_ELEMENT);
    for (let from = 0; from < pixels.length; from += step) {
      const part = pixels.length <= step ? pixels : pixels.subarray(from, from + step);
      const bytes = toBigEndian(part, piece);
      const words = wordsOf(part);
      if (words === undefined) this.#write(bytes);
      else {
        this.#put(bytes);
        this.#sum.addWords(words);
      }
    }
  }

  end(cards?: Iterable<Card>): void {
    this.#count.end();
    const { sink, position, ended } = this.#place;
    const header = cards
      ? withCards(this.#header, this.#lead.length, writable(cards, this.#bitpix))
      : this.#header;
    const over = (this.#position - position) % blockLength;
    if (over > 0) this.#write(new Uint8Array(blockLength - over));
    sink.write(position, header.bytes(this.#lead, this.#sum.sum));
    ended(this.#position - position);
  }

  #write(bytes: Uint8Array): void {
    this.#put(bytes);
    this.#sum.add(bytes);
  }

  #put(bytes: Uint8Array): void {
    this.#place.sink.write(this.#position, bytes);
    this.#position += bytes.length;
  }
}

/** The numbers that a checksum adds, where a pixel is one of them or two: their order changes no sum. */
const wordsOf = (pixels: Pixels): Uint32Array | undefined =>
  pixels.BYTES_PER_ELEMENT < 4
    ? undefined
    : new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.byteLength / 4);

// Shared: what is written in one call is done with when it returns.
const piece = Buffer.alloc(pieceLength);
