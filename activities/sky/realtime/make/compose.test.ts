import type { CutoutRequest } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { memorySource } from '../../bytes/memory.ts';
import { openFits, openImage } from '../../fits/read/open.ts';
import { writeFits } from '../../fits/write/file.ts';
import { card } from '../../fits/write/header.ts';
import type { Pixels } from '../../image/plane.ts';
import { tangentCards } from '../../survey/testing.ts';
import { parseWcs } from '../../wcs/parse.ts';
import type { CutoutCall, CutoutSource } from '../call.ts';
import { composeFile } from './compose.ts';

const scale = 1 / 3600;
const [ra, dec] = [150, 2];
const files = new Map<string, Uint8Array>();

interface Tile {
  readonly name: string;
  readonly band: string;
  readonly plane: CutoutSource['plane'];
  /** Of the survey's grid, whose pixel 0, 0 is the reference pixel. */
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly turned?: number;
  readonly value: (x: number, y: number) => number;
  readonly type?: new (length: number) => Pixels;
}

/** A tile of the survey's one grid, or of one that is turned about its reference pixel. */
function tile({ name, band, plane, x, y, size, turned = 0, value, type = Float32Array }: Tile): CutoutSource {
  const data = new type(size * size) as Float32Array;
  for (let i = 0; i < data.length; i++) data[i] = value(x + (i % size), y + Math.floor(i / size));
  const [c, s] = [Math.cos(turned) * scale, Math.sin(turned) * scale];
  const changed: Record<string, number> = {
    CRPIX1: 1 - x,
    CRPIX2: 1 - y,
    CD1_1: -c,
    CD1_2: s,
    CD2_1: s,
    CD2_2: c,
  };
  const cards = tangentCards([ra, dec], { width: size, height: size, scale }).map(({ keyword, ...rest }) =>
    changed[keyword] === undefined ? { keyword, ...rest } : card(keyword, changed[keyword]),
  );
  const bytes = writeFits([{ plane: { width: size, height: size, data }, cards }]);
  const uri = `s3://survey/${name}-${band}-${plane}.fits`;
  files.set(uri, bytes);
  return { tile: name, band, plane, uri, etag: uri, bytes: bytes.length, hdu: 0, verified: true };
}

const request: CutoutRequest = {
  survey: 'small',
  ra,
  dec,
  size: { width: { value: 9, unit: 'px' }, height: { value: 7, unit: 'px' } },
  format: 'fits',
  bands: ['r'],
  planes: ['image'],
  mode: 'mosaic',
  resampling: 'flux',
  compress: 'none',
  picture: null,
};
const call = (sources: CutoutSource[], changes: Partial<CutoutRequest> = {}): CutoutCall => ({
  digest: 'd',
  unit: 'u',
  request: { ...request, ...changes },
  survey: {
    name: 'small',
    release: 'DR1',
    bands: ['g', 'r', 'i'].map((name) => ({ name, zeroPoint: 22.5, unit: 'nanomaggy' })),
    mask: { bad: [{ bit: 3, name: 'saturated' }], noData: 7 },
  },
  sources,
  leftMs: 1000,
});
const compose = (of: CutoutCall) =>
  composeFile(
    of,
    ({ uri, hdu }) => openImage(memorySource(files.get(uri)!, uri), hdu),
    new AbortController().signal,
  );
const picture = (algorithm: 'lupton' | 'zscale'): Pick<CutoutRequest, 'format' | 'picture'> => ({
  format: 'png',
  picture: {
    algorithm,
    settings: {},
    maxPixels: null,
    orientation: 'north',
    scaleBar: false,
    crosshair: false,
  },
});

const numbered = (x: number, y: number): number => 1000 + x + 100 * y;
const whole = tile({ name: 'a', band: 'r', plane: 'image', x: -20, y: -20, size: 41, value: numbered });

it('a cut is the pixels of the tile, with its place, its survey and what was asked for in the header', async () => {
  const { file, facts } = await compose(call([whole]));
  const image = (await openFits(memorySource(file))).image();
  const { data } = await image.read({ x0: 0, y0: 0, width: 9, height: 7 });
  expect([...data]).toEqual(
    Array.from({ length: 63 }, (_, i) => numbered((i % 9) - 4, Math.floor(i / 9) - 3)),
  );
  const sky = parseWcs(image.header).toSky(4, 3);
  expect(sky[0]).toBeCloseTo(ra, 9);
  expect(sky[1]).toBeCloseTo(dec, 9);
  const told = Object.fromEntries(
    ['EXTNAME', 'SURVEY', 'RELEASE', 'TILE', 'BUNIT', 'MAGZERO', 'COVERAGE', 'CUTMODE', 'VERIFIED'].map(
      (name) => [name, image.header.value(name)],
    ),
  );
  expect(told).toEqual({
    ...{ EXTNAME: 'r', SURVEY: 'small', RELEASE: 'DR1', TILE: 'a', BUNIT: 'nanomaggy', MAGZERO: 22.5 },
    ...{ COVERAGE: 1, CUTMODE: 'primary', VERIFIED: true },
  });
  expect(image.header.value('REQUEST')).toContain('size=9pxx7px');
  expect(facts).toMatchObject({
    coverage: 1,
    mode: 'primary',
    tiles: ['a'],
    width: 9,
    height: 7,
    warnings: [],
  });
  expect((await compose(call([whole]))).file.equals(file)).toBe(true);
});

it('over an edge: nothing beyond it, no more than there is, or the neighbour, whose pixels line up', async () => {
  const left = tile({ name: 'left', band: 'r', plane: 'image', x: -20, y: -20, size: 22, value: numbered });
  const right = tile({ name: 'right', band: 'r', plane: 'image', x: 0, y: -20, size: 41, value: numbered });
  const pixels = async (mode: CutoutRequest['mode']) => {
    const { file, facts } = await compose(call([left, right], { mode }));
    const image = (await openFits(memorySource(file))).image();
    const { width, height } = image;
    const { data } = await image.read({ x0: 0, y0: 0, width, height });
    return { facts, width, height, data, image };
  };
  const primary = await pixels('primary');
  expect(primary.facts).toMatchObject({ tiles: ['left'], mode: 'primary', width: 9, height: 7 });
  expect(primary.facts.coverage).toBeCloseTo((6 * 5) / 63, 12);
  expect([...primary.data].filter(Number.isNaN)).toHaveLength(63 - 30);
  const clip = await pixels('clip');
  expect(clip).toMatchObject({ width: 6, height: 5 });
  expect(clip.data[0]).toBe(numbered(-4, -3));
  const both = await pixels('mosaic');
  expect(both.facts).toMatchObject({ mode: 'mosaic', tiles: ['left', 'right'] });
  expect([...both.data.subarray(0, 9)]).toEqual(Array.from({ length: 9 }, (_, i) => numbered(i - 4, -3)));
  expect(both.image.header.value('RESAMPLE')).toBe('copy');
  const sky = parseWcs(both.image.header).toSky(4, 3);
  expect(sky[0]).toBeCloseTo(ra, 9);
  expect(sky[1]).toBeCloseTo(dec, 9);
});

it('bands and planes are extensions, with the bit of no data beyond the mask', async () => {
  const sources = ['g', 'r'].flatMap((band) => [
    tile({ name: 'p', band, plane: 'image', x: -2, y: -20, size: 41, value: numbered }),
    tile({ name: 'p', band, plane: 'mask', x: -2, y: -20, size: 41, value: () => 1, type: Int32Array }),
  ]);
  const { file } = await compose(
    call(sources, { bands: ['g', 'r'], planes: ['image', 'mask'], mode: 'primary', compress: 'rice' }),
  );
  const fits = await openFits(memorySource(file));
  expect(fits.hdus.map(({ name }) => name)).toEqual(['', 'g', 'g_mask', 'r', 'r_mask']);
  const mask = await fits.image('r_mask').read({ x0: 0, y0: 0, width: 9, height: 1 });
  expect([...mask.data]).toEqual([128, 128, 1, 1, 1, 1, 1, 1, 1]);
});

it('a centre with a bad bit warns, whether the mask is asked for or not', async () => {
  const bad = (x: number, y: number): number => (x === 0 && y === 0 ? 8 : 0);
  const mask = tile({
    name: 'a',
    band: 'r',
    plane: 'mask',
    x: -20,
    y: -20,
    size: 41,
    value: bad,
    type: Int16Array,
  });
  for (const planes of [['image'], ['image', 'mask']] as const) {
    const { facts } = await compose(call([whole, mask], { planes: [...planes] }));
    expect(facts.warnings).toEqual(['The pixel at the centre of the cutout is masked: saturated.']);
  }
});

it('a picture has its levels, and bands on other grids are brought onto that of the first', async () => {
  const blob = (x: number, y: number): number => 50 * Math.exp(-(x * x + y * y) / 18);
  const turned = 0.6;
  const sources = [
    tile({ name: 'a', band: 'i', plane: 'image', x: -20, y: -20, size: 41, value: blob }),
    tile({ name: 'a', band: 'r', plane: 'image', x: -20, y: -20, size: 41, value: blob }),
    tile({ name: 'b', band: 'g', plane: 'image', x: -20, y: -20, size: 41, turned, value: blob }),
  ];
  const size = { width: { value: 15, unit: 'px' }, height: { value: 15, unit: 'px' } } as const;
  const { file, facts } = await compose(
    call(sources, { bands: ['i', 'r', 'g'], size, ...picture('lupton') }),
  );
  expect(file.subarray(1, 4).toString()).toBe('PNG');
  expect(facts).toMatchObject({ coverage: 1, width: 15, height: 15, tiles: ['a', 'b'] });
  expect(facts.levels).toMatchObject({
    levels: { algorithm: 'lupton', noData: 0 },
    orientation: { north: 0 },
  });
  // A round source has the same colour wherever its grid is turned to: grey.
  const { default: sharp } = await import('sharp');
  const rgb = await sharp(file).raw().toBuffer();
  const middle = 3 * (7 * 15 + 7);
  for (const at of [middle, middle + 3 * 4]) {
    expect(Math.abs(rgb[at]! - rgb[at + 2]!)).toBeLessThanOrEqual(6);
  }
  const grey = await compose(call(sources, { bands: ['r'], size, ...picture('zscale') }));
  expect(grey.facts.levels).toMatchObject({ levels: { algorithm: 'zscale' } });
});

it('what is on no tile, and a tile that is damaged, is said by name', async () => {
  await expect(compose(call([whole], { dec: 50 }))).rejects.toMatchObject({ code: 'no_coverage' });
  const broken = tile({
    name: 'broken',
    band: 'r',
    plane: 'image',
    x: -20,
    y: -20,
    size: 41,
    value: numbered,
  });
  files.set(broken.uri, files.get(broken.uri)!.slice(0, 4000));
  await expect(compose(call([broken]))).rejects.toMatchObject({
    code: 'truncated_fits',
    message: expect.stringContaining('broken'),
  });
});
