/** FITS files written HDU by HDU, and images row by row: a file larger than memory can be written. */

import type { Plane } from '../../image/plane.ts';
import type { Card } from '../card.ts';
import type { Bitpix } from '../read/file.ts';
import { card, HeaderUnit } from './header.ts';
import { bitpixOf, type ImageWriter } from './image.ts';
import { PlainImage } from './plain.ts';
import { type FitsSink, MemorySink } from './sink.ts';
import { CompressedImage, type RiceOptions } from './tiles/compressed.ts';

export interface ImageSpec {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly bitpix: Bitpix;
  /** In this order after what the layout asks for; cards that say how an HDU is laid out are left out, the writer has its own. */
  readonly cards: Iterable<Card>;
  /** As RICE_1 in a table, instead of as it is. */
  readonly compress?: RiceOptions;
}

/**
 * Writes a FITS file, one HDU after the other. No clock and no chance: equal HDUs, equal bytes. Each HDU has DATASUM and CHECKSUM.
 *
 *     const file = new FitsWriter(sink);
 *     const image = file.image({ width: 10_000, height: 10_000, bitpix: -32, cards, compress: {} });
 *     for (…) image.rows(someRows);
 *     image.end();
 */
export class FitsWriter {
  readonly #sink: FitsSink;
  /** Whether HDUs come before these. */
  readonly #goesOn: boolean;
  #size = 0;
  #open = false;

  /** `goesOn`: these are extensions of a file whose primary HDU is written elsewhere. */
  constructor(sink: FitsSink, { goesOn = false }: { readonly goesOn?: boolean } = {}) {
    this.#sink = sink;
    this.#goesOn = goesOn;
  }

  /** Bytes of the HDUs that have ended. */
  get size(): number {
    return this.#size;
  }

  /** An HDU without data: what leads a file whose images are all extensions. It can only be the first. */
  primary(cards: Iterable<Card> = []): void {
    if (this.#size > 0 || this.#open || this.#goesOn) throw new RangeError('the primary HDU is the first');
    const lead = [
      card('SIMPLE', true, 'conforms to FITS standard'),
      card('BITPIX', 8),
      card('NAXIS', 0),
      card('EXTEND', true),
    ];
    const bytes = new HeaderUnit(lead.length, cards).bytes(lead, 0);
    this.#sink.write(0, bytes);
    this.#size = bytes.length;
  }

  /**
   * Begins an image, which is given row by row and then ended. A compressed one that would be the first HDU has an empty primary put before it.
   * Throws SkyError `unsupported_fits` for 64-bit integers compressed, and as `formatCard` does.
   */
  image(spec: ImageSpec): ImageWriter {
    if (this.#open) throw new RangeError('the image before has not ended');
    if (spec.compress && this.#size === 0 && !this.#goesOn) this.primary();
    const place = {
      sink: this.#sink,
      position: this.#size,
      first: this.#size === 0 && !this.#goesOn,
      ended: (size: number) => {
        this.#size += size;
        this.#open = false;
      },
    };
    const image = spec.compress
      ? new CompressedImage(spec, spec.compress, place)
      : new PlainImage(spec, place);
    this.#open = true;
    return image;
  }
}

export interface ImageHdu {
  readonly plane: Plane;
  readonly cards: Iterable<Card>;
  readonly compress?: RiceOptions;
}

/** A FITS file in memory: the first image is the primary HDU where it is not compressed, and `primary` was not given. Throws as {@link FitsWriter} does. */
export function writeFits(
  images: readonly ImageHdu[],
  options: { primary?: Iterable<Card> } = {},
): Uint8Array {
  const expected = images.reduce(
    (sum, { plane, compress }) => sum + (compress ? 0 : plane.data.byteLength + 65536),
    0,
  );
  const sink = new MemorySink(expected);
  const file = new FitsWriter(sink);
  if (options.primary || images.length === 0) file.primary(options.primary);
  for (const { plane, cards, compress } of images) {
    const { width, height, data } = plane;
    const image = file.image({ width, height, bitpix: bitpixOf(data), cards, ...(compress && { compress }) });
    image.rows(data);
    image.end();
  }
  return sink.bytes;
}
