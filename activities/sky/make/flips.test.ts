/** Damage of one bit in the objects of a survey, from its index to the file that comes out. */
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../bytes/object.ts';
import { SkyError } from '../errors.ts';
import { writeFits } from '../fits/write/file.ts';
import { variates } from '../fits/write/testing/files.ts';
import { toVector } from '../sphere/vector.ts';
import { indexSurvey } from '../survey/indexing/index.ts';
import { findTiles } from '../survey/records/tiles.ts';
import { memoryStore, smallSurvey, tangentCards } from '../survey/testing.ts';
import type { CutoutCall } from './call.ts';
import { type MadeFile, type MakeFile, makeFileOver } from './made.ts';

const side = 640;
const scale = 1 / 3600;
const place = { ra: 150, dec: 2 };
const tilings = { rows: undefined, squares: { width: 100, height: 100 } } as const;

/** Noise with a source in the middle, as a survey's tile has it: quantised floats, four blocks of checksums and more. */
function compressedTile(tiling: keyof typeof tilings): Uint8Array {
  const next = variates(14);
  const data = Float32Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [(i % side) - side / 2, Math.floor(i / side) - side / 2];
    return 5 * (next() + next() + next() + next() - 2) + 3000 * Math.exp(-(x * x + y * y) / 20);
  });
  const plane = { width: side, height: side, data };
  const cards = tangentCards([place.ra, place.dec], { width: side, height: side, scale });
  const tile = tilings[tiling];
  return writeFits([
    { plane, cards, compress: { ...(tile && { tile }), dither: 'SUBTRACTIVE_DITHER_2', seed: 3 } },
  ]);
}

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test?.close());

interface Survey {
  readonly uri: string;
  readonly call: CutoutCall;
  readonly good: Uint8Array;
  /** Where in the object the cut reads: start, end. */
  readonly read: [number, number][];
  /** Of an object that is damaged under the ETag that it had. */
  make(bytes: Uint8Array): MakeFile;
}

/** A survey of one tile, indexed; and a cutout of 40 pixels a side in its middle. */
async function surveyOf(tiling: keyof typeof tilings, verify: boolean): Promise<Survey> {
  await test.records.sql`truncate surveys, survey_files, survey_cells, survey_checksums`;
  const uri = 's3://bucket/small/t1.fits';
  const good = compressedTile(tiling);
  const store = memoryStore({ [uri]: good });
  const { db } = test.records;
  await indexSurvey(smallSurvey, { db, store, verify });
  const [tile] = await findTiles(db, { survey: 'small', centre: toVector(place.ra, place.dec) });
  const { uri: _, ...file } = tile!.planes.image!;
  const pixels = { value: 40, unit: 'px' } as const;
  const call: CutoutCall = {
    request: {
      survey: 'small',
      ...place,
      size: { width: pixels, height: pixels },
      grid: null,
      format: 'fits',
      bands: ['r'],
      planes: ['image'],
      mode: 'primary',
      resampling: 'flux',
      compress: 'none',
      picture: null,
    },
    survey: { name: 'small', release: '1', bands: [{ name: 'r', zeroPoint: null, unit: null }], mask: null },
    sources: [{ tile: 't1', band: 'r', plane: 'image', uri, ...file }],
  };
  const read: [number, number][] = [];
  const make = (bytes: Uint8Array) => {
    const get: ObjectStore['get'] = async (_uri, { range: { start, length } }) => {
      read.push([start, start + length]);
      return { stream: one(bytes.slice(start, start + length)) };
    };
    return makeFileOver({ ...deps(), storage: { get } as Deps['storage'] });
  };
  return { uri, call, good, read, make };
}

type Deps = Parameters<typeof makeFileOver>[0];

const deps = (): Omit<Deps, 'storage'> => ({
  records: test.records,
  config: { cutouts: { cacheBytes: 2 ** 20, memoryBytes: 2 ** 28 } } as Deps['config'],
});

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const signal = new AbortController().signal;

/** `header`: pixels are right, and a card is another. */
type Outcome = 'right' | 'refused' | 'header' | 'wrong';

/** Bytes of the cut's pixels, at the end of its file. */
const pixelBytes = 3 * 2880;

function bytesOf({ file }: MadeFile): Buffer {
  using held = file;
  const whole = held.whole();
  if (whole === undefined) throw new Error('A small cutout is in memory.');
  return whole;
}

/** Flips one bit after the other, half of them among the bytes that the cut reads, and tells what became of the cut. */
async function flipped(
  { uri, call, good, read, make }: Survey,
  { seed, flips }: { seed: number; flips: number },
) {
  const wanted = bytesOf(await make(good)(call, signal));
  const touched = read.slice();
  const next = variates(seed);
  const outcomes: Record<Outcome, number> = { right: 0, refused: 0, header: 0, wrong: 0 };
  const codes = new Set<string>();
  for (let flip = 0; flip < flips; flip++) {
    const bytes = good.slice();
    const [start, end] = flip % 2 === 0 ? [0, good.length] : touched[Math.floor(next() * touched.length)]!;
    bytes[start + Math.floor(next() * (end - start))]! ^= 1 << Math.floor(next() * 8);
    read.length = 0;
    const made = await make(bytes)(call, signal).catch((error: unknown) => error);
    // Whatever a damaged header promises.
    expect(read.reduce((sum, range) => sum + range[1] - range[0], 0)).toBeLessThan(2 * good.length);
    if (made instanceof SkyError) {
      expect(made.message).toContain(uri);
      codes.add(made.code);
      outcomes.refused++;
    } else {
      if (made instanceof Error) throw made;
      const file = bytesOf(made as MadeFile);
      const same = wanted.subarray(-pixelBytes).equals(file.subarray(-pixelBytes));
      outcomes[wanted.equals(file) ? 'right' : same ? 'header' : 'wrong']++;
    }
  }
  return { outcomes, codes: [...codes].sort() };
}

describe.each(['rows', 'squares'] as const)('a compressed survey of %s', (tiling) => {
  it('gives no wrong pixel for any flipped bit where it was verified, and names the tile', async () => {
    const survey = await surveyOf(tiling, true);
    const flips = 500;
    const { outcomes, codes } = await flipped(survey, { seed: 41, flips });
    expect(outcomes).toMatchObject({ wrong: 0, header: 0 });
    expect(codes).toEqual(['corrupt_tile']);
    expect(outcomes.refused).toBeGreaterThan(flips / 2);
    expect(outcomes.right).toBeGreaterThan(flips / 10);
  });

  // docs/surveys.md tells how often, of ten times as many.
  it('where it was not, is refused by name or wrong in silence', async () => {
    const { outcomes, codes } = await flipped(await surveyOf(tiling, false), { seed: 42, flips: 100 });
    expect(codes).toContain('corrupt_tile');
    expect(outcomes.wrong).toBeGreaterThan(0);
  });
});

it('a tile of which a bit was changed by a new upload is another file', async () => {
  const { uri, call, good } = await surveyOf('rows', true);
  const store = memoryStore({ [uri]: good });
  const make = makeFileOver({ ...deps(), storage: store as unknown as Deps['storage'] });
  expect((await make(call, signal)).facts.verified).toBe(true);
  store.objects.set(
    uri,
    good.map((byte, i) => (i === 200_000 ? byte ^ 1 : byte)),
  );
  await expect(make(call, signal)).rejects.toMatchObject({
    code: 'source_changed',
    message: expect.stringContaining(uri),
  });
});
