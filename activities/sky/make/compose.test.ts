import { tmpdir } from 'node:os';
import type { CutoutRequest } from '@darkroom/contract';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../bytes/memory.ts';
import { openFits, openImage } from '../fits/read/open.ts';
import { writeFits } from '../fits/write/file.ts';
import { card } from '../fits/write/header.ts';
import { verifyChecksums } from '../fits/write/verify.ts';
import type { Pixels } from '../image/plane.ts';
import { tangentCards } from '../survey/testing.ts';
import { localScale } from '../wcs/geometry.ts';
import { parseWcs } from '../wcs/parse.ts';
import { quantityOf } from './band/own-grid.ts';
import type { CutoutCall, CutoutSource } from './call.ts';
import { composeFile } from './compose.ts';
import { CutoutMemory } from './memory.ts';

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
  grid: null,
  format: 'fits',
  bands: ['r'],
  planes: ['image'],
  mode: 'mosaic',
  resampling: 'flux',
  compress: 'none',
  picture: null,
};
const call = (sources: CutoutSource[], changes: Partial<CutoutRequest> = {}): CutoutCall => ({
  request: { ...request, ...changes },
  survey: {
    name: 'small',
    release: 'DR1',
    bands: ['g', 'r', 'i'].map((name) => ({ name, zeroPoint: 22.5, unit: 'nanomaggy' })),
    mask: { bad: [{ bit: 3, name: 'saturated' }], noData: 7 },
  },
  sources,
});
/** All of a cutout of these tiles fits, and so do several. */
const memory = new CutoutMemory(2 ** 28);
const compose = async (of: CutoutCall, within = memory) => {
  const { file, ...made } = await composeFile(
    of,
    ({ uri, hdu }) => openImage(memorySource(files.get(uri)!, uri), hdu),
    new AbortController().signal,
    { memory: within, folder: tmpdir() },
  );
  using held = file;
  const pieces: Uint8Array[] = [];
  for await (const piece of held.read()) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  expect(held.whole() ?? bytes).toEqual(bytes);
  return { ...made, file: bytes };
};
const picture = (algorithm: 'lupton' | 'zscale'): Pick<CutoutRequest, 'format' | 'picture'> => ({
  format: 'png',
  picture: {
    algorithm,
    settings: {},
    maxPixels: null,
    depth: 8,
    orientation: 'north',
    scaleBar: false,
    crosshair: false,
    compass: false,
    label: null,
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

it('a centre that is infinite warns as one that has no value, in a cut and over an edge', async () => {
  const value = (x: number, y: number): number => (x === 0 && y === 0 ? Number.NEGATIVE_INFINITY : 1);
  const left = tile({ name: 'left', band: 'r', plane: 'image', x: -20, y: -20, size: 22, value });
  const right = tile({ name: 'right', band: 'r', plane: 'image', x: 0, y: -20, size: 41, value });
  for (const [sources, mode] of [
    [[left], 'primary'],
    [[left, right], 'mosaic'],
  ] as const) {
    const { facts } = await compose(call([...sources], { mode }));
    expect(facts.mode).toBe(mode);
    expect(facts.warnings).toContain('The pixel at the centre of the cutout has no value.');
    expect(facts.coverage).toBe(mode === 'primary' ? 29 / 63 : 54 / 63);
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

/** Two stars: one in the middle, a fainter one north-north-west of it. */
const stars = (x: number, y: number): number =>
  1000 * Math.exp(-(x * x + y * y) / 8) + 400 * Math.exp(-((x - 5) ** 2 + (y - 12) ** 2) / 8);

it.each([
  { pixelScale: scale / 2, rotation: 0 },
  { pixelScale: scale / 2, rotation: 30 },
  { pixelScale: 2 * scale, rotation: 90 },
  { pixelScale: null, rotation: 200 },
])('a grid of its own: $pixelScale, turned by $rotation', async (grid) => {
  const sources = (['image', 'weight', 'mask'] as const).map((plane) =>
    tile({
      ...{ name: 'a', band: 'r', plane, x: -60, y: -60, size: 121 },
      value: { image: stars, weight: () => 4, mask: (x: number) => (x > 20 ? 2 : 0) }[plane],
      ...(plane === 'mask' && { type: Int16Array }),
    }),
  );
  const step = grid.pixelScale ?? scale;
  const side = { value: 48 * scale, unit: 'deg' } as const;
  const asked = {
    ...{ size: { width: side, height: side }, grid, resampling: 'lanczos3' },
    planes: ['image', 'weight', 'mask'],
  } satisfies Partial<CutoutRequest>;
  const made = await compose(call(sources, asked));
  const pixels = Math.round(side.value / step);
  expect(made.facts).toMatchObject({ width: pixels, height: pixels, coverage: 1, mode: 'primary' });
  const fits = await openFits(memorySource(made.file));
  const box = { x0: 0, y0: 0, width: pixels, height: pixels };
  const { header } = fits.image('r');
  const wcs = parseWcs(header);
  expect(wcs.projection).toBe('TAN');
  expect(wcs.pixelScale).toBeCloseTo(step, 12);
  const middle = (pixels - 1) / 2;
  const centre = wcs.toSky(middle, middle);
  expect(centre[0]).toBeCloseTo(ra, 9);
  expect(centre[1]).toBeCloseTo(dec, 9);
  // Its columns point `rotation` from north towards east.
  const { eastByY, northByY } = localScale(wcs, middle, middle);
  const pointing = (Math.atan2(eastByY, northByY) * 180) / Math.PI;
  expect(Math.abs(((pointing - grid.rotation + 540) % 360) - 180)).toBeLessThan(1e-4);
  // Both stars are where the sky has them, with the flux that they had.
  const { data } = (await fits.image('r').read(box)) as { data: Float32Array };
  const survey = parseWcs((await openFits(memorySource(files.get(sources[0]!.uri)!))).image().header);
  for (const [x, y, flux] of [
    [0, 0, 1000 * Math.PI * 8],
    [5, 12, 400 * Math.PI * 8],
  ] as const) {
    const [cx, cy] = wcs.toPixel(...survey.toSky(x + 60, y + 60));
    const radius = (6.4 * scale) / step;
    let [sum, sumX, sumY] = [0, 0, 0];
    for (let i = 0; i < data.length; i++) {
      const [px, py] = [i % pixels, Math.floor(i / pixels)];
      if (Math.hypot(px - cx, py - cy) > radius) continue;
      sum += data[i]!;
      sumX += data[i]! * px;
      sumY += data[i]! * py;
    }
    expect(Math.abs(sum / flux - 1)).toBeLessThan(0.02);
    expect(Math.abs(sumX / sum - cx)).toBeLessThan(0.05);
    expect(Math.abs(sumY / sum - cy)).toBeLessThan(0.05);
  }
  // Inverse variances are those of what a pixel is now; the mask is the nearest pixel's.
  const weight = (await fits.image('r_weight').read(box)).data as Float32Array;
  expect(weight.every((value) => value > 0)).toBe(true);
  const mask = (await fits.image('r_mask').read(box)).data as Int16Array;
  for (const [x, y] of [
    [3, 3],
    [pixels - 4, 3],
    [3, pixels - 4],
    [pixels - 4, pixels - 4],
  ] as const) {
    const [tileX] = survey.toPixel(...wcs.toSky(x, y));
    expect(mask[y * pixels + x]).toBe(Math.round(tileX) - 60 > 20 ? 2 : 0);
  }
  expect(header.value('RESAMPLE')).toBe('lanczos3');
  expect(header.value('CUTMODE')).toBe('primary');
  expect(header.value('REQUEST')).toContain(`rotation=${grid.rotation}`);
});

it('a grid of its own beyond a tile is blank in primary, and takes the neighbour in mosaic', async () => {
  const half = { band: 'r', plane: 'image', y: -60, value: () => 7 } as const;
  const sources = [
    tile({ ...half, name: 'west', x: -2, size: 121 }),
    tile({ ...half, name: 'east', x: -122, size: 121 }),
  ];
  const grid = { pixelScale: scale, rotation: 45 };
  const size = { width: { value: 21, unit: 'px' }, height: { value: 21, unit: 'px' } } as const;
  const alone = await compose(call(sources, { size, grid, mode: 'primary' }));
  expect(alone.facts).toMatchObject({ mode: 'primary', tiles: ['west'] });
  expect(alone.facts.coverage).toBeLessThan(0.7);
  const both = await compose(call(sources, { size, grid }));
  expect(both.facts).toMatchObject({ mode: 'mosaic', coverage: 1 });
  expect([...both.facts.tiles].sort()).toEqual(['east', 'west']);
});

it('what is measured by the area of the sky stays what it is on a grid of its own', async () => {
  expect(['MJy/sr', 'nmgy arcsec-2', 'mag/arcsec^2', 'Jy sr-1', 'W m-2 sr**(-1)'].map(quantityOf)).toEqual(
    Array(5).fill('surface_brightness'),
  );
  expect(['nanomaggy', 'adu', 'ct/s', 'Jy/beam', '', null, undefined].map(quantityOf)).toEqual(
    Array(7).fill('flux'),
  );
  const flat = tile({ name: 'a', band: 'r', plane: 'image', x: -60, y: -60, size: 121, value: () => 7 });
  const grid = { pixelScale: 2 * scale, rotation: 0 };
  for (const [unit, value] of [
    ['nanomaggy', 28],
    ['MJy/sr', 7],
  ] as const) {
    const of = call([flat], { grid });
    const bands = [{ name: 'r', zeroPoint: null, unit }];
    const { file } = await compose({ ...of, survey: { ...of.survey, bands } });
    const { data } = await (await openFits(memorySource(file)))
      .image()
      .read({ x0: 4, y0: 3, width: 1, height: 1 });
    expect(data[0]).toBeCloseTo(value, 3);
  }
});

it('a picture says for which marks it has no room, and has sixteen bits where they are asked for', async () => {
  const size = { width: { value: 100, unit: 'px' }, height: { value: 100, unit: 'px' } } as const;
  const large = tile({ name: 'a', band: 'r', plane: 'image', x: -60, y: -60, size: 121, value: stars });
  const { format, picture: plain } = picture('zscale');
  const marked = { ...plain!, scaleBar: true, compass: true, label: 'NGC 1 [r]', depth: 16 } as const;
  const made = await compose(call([large], { size, format, picture: marked }));
  expect(made.facts.warnings).toEqual([]);
  expect(made.facts.levels).toMatchObject({ compass: true, label: 'NGC 1 [r]', scaleBar: { text: '30″' } });
  // Bit depth and kind of a PNG's header.
  expect([...made.file.subarray(24, 26)]).toEqual([16, 0]);
  const small = await compose(call([large], { format, picture: marked }));
  expect(small.facts.warnings).toEqual(
    ['scaleBar', 'compass', 'label'].map((mark) => `The picture has no room for its ${mark}.`),
  );
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

describe('in pieces it is what it is in one', () => {
  /** A strip has some ten rows of one plane of a cut, and one of a mosaic. */
  const little = new CutoutMemory(2 ** 17);
  const noisy = (x: number, y: number): number =>
    (x === 3 && y === 2) || (x + y) % 50 === 0 ? Number.NaN : 9 + Math.sin(7 * x + 3 * y) + x / 50;
  const bits = (x: number, y: number): number => (x === 0 && y === 0 ? 8 : Math.abs(x * y) % 3);
  const all = (name: string, x: number, turned = 0, bands = ['g', 'r', 'i']): CutoutSource[] =>
    bands.flatMap((band) => [
      tile({ name, band, plane: 'image', x, y: -40, size: 70, turned, value: noisy }),
      tile({ name, band, plane: 'weight', x, y: -40, size: 70, turned, value: (u, v) => 1 + ((u * v) & 3) }),
      tile({ name, band, plane: 'mask', x, y: -40, size: 70, turned, value: bits, type: Int16Array }),
    ]);
  const west = all('westward', -60);
  const size = { width: { value: 61, unit: 'px' }, height: { value: 63, unit: 'px' } } as const;
  const fits = { size, bands: ['g', 'r'], planes: ['image', 'weight', 'mask'] as const };
  const averaged = (algorithm: 'lupton' | 'zscale', bands: string[]): Partial<CutoutRequest> => {
    const { format, picture: made } = picture(algorithm);
    return { size, bands, format, picture: { ...made!, maxPixels: 16, crosshair: true } };
  };
  const integers = (type: new (length: number) => Pixels, most: number): CutoutSource =>
    tile({
      name: type.name,
      band: 'r',
      plane: 'image',
      x: -60,
      y: -40,
      size: 70,
      value: (x, y) => (70 * (y + 40) + x + 60) % most,
      type,
    });
  const cases: [string, CutoutSource[], Partial<CutoutRequest>][] = [
    ['over an edge', west, { ...fits, planes: [...fits.planes], mode: 'primary' }],
    [
      'over an edge, compressed',
      west,
      { ...fits, planes: [...fits.planes], mode: 'primary', compress: 'rice' },
    ],
    ['no further than the tile', west, { ...fits, planes: [...fits.planes], mode: 'clip' }],
    ['with a neighbour', [...west, ...all('eastward', 5)], { ...fits, planes: [...fits.planes] }],
    [
      'with one of another grid',
      [...west, ...all('turned', 5, 0.3)],
      { ...fits, bands: ['r'], planes: [...fits.planes], compress: 'rice', resampling: 'lanczos3' },
    ],
    ['a colour picture', [...west, ...all('turned', 5, 0.3)], averaged('lupton', ['i', 'r', 'g'])],
    ['a grey picture over an edge', [integers(Int16Array, 999)], averaged('zscale', ['r'])],
    [
      'integers that leave a value for BLANK',
      [integers(Int16Array, 999)],
      { ...fits, bands: ['r'], planes: ['image'] },
    ],
    [
      'bytes that leave none',
      [integers(Uint8Array, 256)],
      { ...fits, bands: ['r'], planes: ['image'], mode: 'primary' },
    ],
  ];
  it.each(cases)('%s', async (_, sources, changes) => {
    const of = call(sources, changes);
    const whole = await compose(of);
    const pieces = await compose(of, little);
    expect(pieces.facts).toEqual(whole.facts);
    expect(pieces.file.equals(whole.file)).toBe(true);
    expect(little.free).toBe(2 ** 17);
  });

  it('a neighbour that gives nothing leaves room in the header, which is well-formed', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `neighbour-of-a-long-name-${i}`);
    const sources = [...west, ...names.flatMap((name) => all(name, 200, 0, ['r']))].filter(
      ({ band, plane }) => band === 'r' && plane === 'image',
    );
    const { file } = await compose(call(sources, { size, bands: ['r'] }), little);
    const fits = await openFits(memorySource(file));
    expect(fits.image().header.value('TILE')).toBe('westward');
    expect(await verifyChecksums(fits)).toMatchObject([{ dataSum: 'right', checksum: 'right' }]);
  });

  it('a picture that there is no memory for is refused, and what was taken goes back', async () => {
    const of = call(west, { size, bands: ['r'], ...picture('zscale') });
    await expect(compose(of, little)).rejects.toMatchObject({ code: 'cutout_too_large' });
    const broken = tile({
      name: 'cut off',
      band: 'r',
      plane: 'image',
      x: -60,
      y: -40,
      size: 70,
      value: noisy,
    });
    files.set(broken.uri, files.get(broken.uri)!.slice(0, 9000));
    await expect(compose(call([broken], { size, bands: ['r'] }), little)).rejects.toMatchObject({
      code: 'truncated_fits',
    });
    expect(little.free).toBe(2 ** 17);
  });
});
