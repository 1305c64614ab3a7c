/** Bands as a FITS file, strip by strip. */
import { setImmediate } from 'node:timers/promises';
import type { CutoutRequest, PlaneKind } from '@darkroom/contract';
import type { Card } from '../fits/card.ts';
import { cardLength } from '../fits/write/cards.ts';
import { FitsWriter } from '../fits/write/file.ts';
import { blockLength } from '../fits/write/header.ts';
import type { ImageWriter } from '../fits/write/image.ts';
import { MemorySink, NamelessFile } from '../fits/write/sink.ts';
import type { BandMade, CutBand } from './band/band.ts';

export interface NamedBand {
  readonly name: string;
  readonly band: CutBand;
}

export interface FitsParts {
  /** HDUs in the order of the file. */
  readonly parts: readonly (Uint8Array | NamelessFile)[];
  /** Of each band. */
  readonly made: readonly BandMade[];
  /** Milliseconds of writing; the rest of the time went into reading and cutting. */
  readonly writing: number;
}

/**
 * Writes each plane of each band as an HDU of its own, into memory, or where `folder` is given into a file there that has no name. One plane that is not
 * compressed is the primary HDU; else all are extensions. Equal bands give equal bytes, whatever their strips. Files are `held`'s to close.
 */
export async function writeBands(
  bands: readonly NamedBand[],
  { planes, compress }: Pick<CutoutRequest, 'planes' | 'compress'>,
  { folder, held }: { readonly folder: string | undefined; readonly held: DisposableStack },
): Promise<FitsParts> {
  const isAlone = compress === 'none' && bands.length * planes.length === 1;
  let writing = 0;
  const write = <T>(work: () => T): T => {
    const began = performance.now();
    const result = work();
    writing += performance.now() - began;
    return result;
  };
  const inOrder = bands.map(({ name, band }) => ({
    band,
    hdus: planes.flatMap((plane) => {
      const { bitpix } = band.planes.get(plane) ?? {};
      if (bitpix === undefined) return [];
      const { width, height } = band;
      const plain = compress === 'none' || bitpix === 64;
      // All tiles that it may be made of: what is put there at last needs no more room.
      const cards = [...cardsOf(name, band, plane, { coverage: 1, tiles: band.tiles })];
      const bytes = plain ? headerBytes(cards) + (width * height * Math.abs(bitpix)) / 8 + blockLength : 0;
      const sink = folder === undefined ? new MemorySink(bytes) : held.use(new NamelessFile(folder));
      const image = new FitsWriter(sink, { goesOn: !isAlone }).image({
        width,
        height,
        bitpix,
        cards,
        ...(!plain && { compress: {} }),
      });
      return [{ name, plane, sink, image }];
    }),
  }));
  const one = async ({ band, hdus }: (typeof inOrder)[number]): Promise<BandMade> => {
    const strips = band.strips();
    for (;;) {
      const { done, value } = await strips.next();
      if (done) {
        write(() => {
          for (const { name, plane, image } of hdus) image.end(cardsOf(name, band, plane, value));
        });
        return value;
      }
      write(() => {
        for (const { plane, image } of hdus) rowsInto(image, value[plane]?.data);
      });
      // A large one leaves others their turn.
      await setImmediate();
    }
  };
  const made: BandMade[] = [];
  if (folder === undefined) made.push(...(await Promise.all(inOrder.map(one))));
  else for (const band of inOrder) made.push(await one(band));
  const hdus = inOrder.flatMap((of) =>
    of.hdus.map(({ sink }) => (sink instanceof MemorySink ? sink.bytes : sink)),
  );
  return { parts: isAlone ? hdus : [primary(), ...hdus], made, writing };
}

/** About, and rather more: of a few long texts a card is written as several. */
const headerBytes = (cards: readonly Card[]): number =>
  cards.reduce((sum, { raw }) => sum + (raw?.length ?? 2 * cardLength), 2 * blockLength);

function rowsInto(image: ImageWriter, data: Parameters<ImageWriter['rows']>[0] | undefined): void {
  if (data === undefined) throw new TypeError('A strip has all planes that were asked for.');
  image.rows(data);
}

function* cardsOf(
  name: string,
  band: CutBand,
  plane: PlaneKind,
  made: Pick<BandMade, 'coverage' | 'tiles'>,
): Iterable<Card> {
  yield { keyword: 'EXTNAME', value: plane === 'image' ? name : `${name}_${plane}`, comment: '' };
  yield* band.planes.get(plane)?.header(made).cards ?? [];
}

/** What leads a file whose images are all extensions. */
function primary(): Uint8Array {
  const sink = new MemorySink();
  new FitsWriter(sink).primary();
  return sink.bytes;
}
