import { expect, it } from 'vitest';
import { memorySource } from '../bytes/memory.ts';
import { SkyError } from '../errors.ts';
import type { Card } from '../fits/card.ts';
import { openFits, openImage } from '../fits/read/open.ts';
import { physical } from '../fits/read/physical.ts';
import { writeFits } from '../fits/write/file.ts';
import type { Pixels } from '../image/plane.ts';
import { parseWcs } from '../wcs/parse.ts';
import { apart, headerOfText, recorded, recordedText } from '../wcs/testing.ts';
import { cutMany, cutTile, type MaskBits } from './cut.ts';
import { cutFile } from './file.ts';
import { cutHeader } from './header.ts';

const card = (keyword: string, value: Card['value'], comment = ''): Card => ({ keyword, value, comment });
const imageOf = (data: Pixels, width: number, cards: Card[] = []) =>
  openImage(
    memorySource(writeFits([{ plane: { width, height: data.length / width, data }, cards }]), 'tile.fits'),
  );
const corner = { x0: -1, y0: -1, width: 3, height: 3 };

it('leaves every pixel at its place of the sky, with real headers: TAN, SIP, TPV, SIN', () => {
  const box = { x0: 37, y0: -12, width: 50, height: 50 };
  for (const { name, points } of recorded) {
    const source = headerOfText(recordedText(name));
    const before = parseWcs(source);
    const after = parseWcs(cutHeader(source, box));
    for (const [x, y] of points.slice(0, 20)) {
      const [lon, lat] = before.toSky(x, y);
      const moved = after.toSky(x - box.x0, y - box.y0);
      if (Number.isNaN(lon)) expect(moved[0], name).toBeNaN();
      else expect(apart(...moved, lon, lat) / before.pixelScale, name).toBeLessThan(1e-6);
    }
    // Distortions stay to the letter.
    for (const one of source.cards) {
      if (/^(?:PV|A_|B_|AP_|BP_|CD|PC)/.test(one.keyword))
        expect(cutHeader(source, box).card(one.keyword)?.raw).toBe(one.raw);
    }
  }
});

it('moves every reference pixel, and leaves out what would be untrue', async () => {
  const image = await imageOf(new Float32Array(400), 20, [
    card('CTYPE1', 'RA---TAN'),
    card('CRPIX1', 10),
    card('CRPIX1P', 1),
    card('CTYPE2B', 'DEC--TAN'),
    card('LTV2', 0),
    card('DATASEC', '[1:20,1:20]'),
    card('DATAMAX', 9),
    card('EXTNAME', 'N15'),
    card('BUNIT', 'nanomaggy'),
    card('MAGZERO', 22.5),
    card('TILE', 'of the source'),
    card('EMPTY', undefined),
  ]);
  const { image: cut } = await cutTile({
    planes: { image },
    box: { x0: 4, y0: 5, width: 6, height: 7 },
    mode: 'primary',
    provenance: { SURVEY: 'des', TILE: 'DES0102-4914' },
  });
  const { header } = cut!;
  const of = (...keywords: string[]) => keywords.map((keyword) => header.value(keyword));
  expect(of('CRPIX1', 'CRPIX2', 'CRPIX1P', 'CRPIX1B', 'CRPIX2B', 'LTV2')).toEqual([6, -5, -3, -4, -5, -5]);
  expect(of('NAXIS1', 'NAXIS2', 'BUNIT', 'MAGZERO')).toEqual([6, 7, 'nanomaggy', 22.5]);
  expect(of('DATASEC', 'DATAMAX', 'EXTNAME', 'CHECKSUM')).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(header.has('EMPTY')).toBe(false);
  expect(of('SURVEY', 'TILE', 'CUTMODE', 'COVERAGE')).toEqual(['des', 'DES0102-4914', 'primary', 1]);
  expect([...header.keywords()].filter((keyword) => keyword === 'TILE')).toHaveLength(1);
});

it('fills integers by their BLANK, and where there is none by a value that no pixel has', async () => {
  const outside = async (data: Pixels, cards: Card[] = []) => {
    const { image } = await cutTile({
      planes: { image: await imageOf(data, 4, cards) },
      box: corner,
      mode: 'primary',
    });
    const { data: pixels } = image!.plane;
    // What the header says of it is what readers see.
    expect([...physical(image!.plane, image!.header).data].map(Number.isNaN)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(image!.coverage).toBe(4 / 9);
    return [pixels.constructor, pixels[0], image!.header.value('BLANK'), image!.header.value('BITPIX')];
  };
  expect(await outside(new Int16Array(16), [card('BLANK', 77)])).toEqual([Int16Array, 77, 77, 16]);
  expect(await outside(new Int16Array(16))).toEqual([Int16Array, -32768, -32768, 16]);
  expect(
    await outside(
      Int16Array.from({ length: 16 }, () => -32768),
      [card('BZERO', 32768)],
    ),
  ).toEqual([Int16Array, -32767, -32767, 16]);
  expect(await outside(new Int16Array(16), [card('BLANK', 99999)])).toEqual([Int16Array, -32768, -32768, 16]);
  expect(await outside(new Int32Array(16).fill(-2147483648))).toEqual([
    Int32Array,
    -2147483647,
    -2147483647,
    32,
  ]);
  expect(await outside(new Uint8Array(16).fill(255))).toEqual([Uint8Array, 254, 254, 8]);
  expect(await outside(new BigInt64Array(16))).toEqual([BigInt64Array, -(2n ** 63n), -(2n ** 63n), 64]);
  // What no 64-bit integer is stands for none.
  for (const blank of [5.5, 1e30, 2n ** 64n]) {
    const filled = await outside(new BigInt64Array(16), [card('BLANK', blank)]);
    expect(filled).toEqual([BigInt64Array, -(2n ** 63n), -(2n ** 63n), 64]);
  }
});

it.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  'keeps %s as it is, and counts it as no value',
  async (value) => {
    const image = await imageOf(
      Float32Array.from({ length: 25 }, (_, i) => (i === 12 ? value : i)),
      5,
    );
    for (const compress of [undefined, {}]) {
      const cut = await cutTile({
        planes: { image },
        box: { x0: 1, y0: 1, width: 3, height: 3 },
        mode: 'primary',
      });
      expect(cut.image!.coverage).toBe(8 / 9);
      expect(cut.image!.warnings.map(({ code }) => code)).toEqual(['centre_blank']);
      const file = cutFile([{ name: 'R', plane: cut.image! }], { ...(compress && { compress }) });
      const { data } = await (await openImage(memorySource(file), 'R')).read({
        x0: 0,
        y0: 0,
        width: 3,
        height: 3,
      });
      expect([...data]).toEqual([6, 7, 8, 11, value, 13, 16, 17, 18]);
    }
  },
);

it('takes wider pixels where bytes have every value', async () => {
  const data = Uint8Array.from({ length: 256 }, (_, i) => i);
  const { image } = await cutTile({
    planes: { image: await imageOf(data, 16) },
    box: { x0: -1, y0: 0, width: 17, height: 16 },
    mode: 'primary',
  });
  expect(image!.plane.data).toBeInstanceOf(Int16Array);
  expect([...image!.plane.data.slice(0, 3)]).toEqual([-32768, 0, 1]);
  expect([image!.header.value('BITPIX'), image!.header.value('BLANK')]).toEqual([16, -32768]);
});

const bits = (noData: number): MaskBits => ({
  bad: [
    { bit: 0, name: 'saturated' },
    { bit: 3, name: 'cosmic ray' },
  ],
  noData,
});

it('gives masks their no-data bit, in pixels that hold it', async () => {
  const outside = async (data: Pixels, noData: number, cards: Card[] = []) => {
    const { mask } = await cutTile({
      planes: { mask: await imageOf(data, 4, cards) },
      box: corner,
      mode: 'primary',
      mask: bits(noData),
    });
    const { data: pixels } = mask!.plane;
    return [
      pixels.constructor,
      pixels[0],
      pixels[4],
      mask!.header.value('BITPIX'),
      mask!.header.value('BZERO'),
    ];
  };
  expect(await outside(new Uint8Array(16).fill(5), 7)).toEqual([Uint8Array, 128, 5, 8, undefined]);
  expect(await outside(new Uint8Array(16).fill(200), 10)).toEqual([Int16Array, 1024, 200, 16, undefined]);
  expect(await outside(new Int16Array(16).fill(-1), 20)).toEqual([Int32Array, 2 ** 20, 65535, 32, undefined]);
  expect(await outside(new Int32Array(16).fill(1), 31)).toEqual([Int32Array, -(2 ** 31), 1, 32, undefined]);
  expect(await outside(new Int32Array(16).fill(-1), 40)).toEqual([
    BigInt64Array,
    2n ** 40n,
    0xffffffffn,
    64,
    undefined,
  ]);
  expect(await outside(new Int16Array(16).fill(-32767), 15, [card('BZERO', 32768)])).toEqual([
    Int32Array,
    32768,
    1,
    32,
    undefined,
  ]);
});

it('cuts image, weight and mask in step, and warns of a centre that is masked', async () => {
  const values = Float32Array.from({ length: 100 }, (_, i) => i);
  const masked = new Int32Array(100);
  masked[5 * 10 + 5] = 0b1001;
  values[5 * 10 + 6] = Number.NaN;
  const planes = {
    image: await imageOf(values, 10),
    weight: await imageOf(
      values.map((v) => 1 / v),
      10,
    ),
    mask: await imageOf(masked, 10),
  };
  const cut = await cutTile({
    planes,
    box: { x0: 4, y0: 4, width: 8, height: 3 },
    centre: [5.2, 4.8],
    mode: 'clip',
    mask: bits(30),
  });
  expect(Object.keys(cut)).toEqual(['image', 'weight', 'mask']);
  for (const { plane, coverage, warnings, header } of Object.values(cut)) {
    expect([plane.width, plane.height, coverage]).toEqual([6, 3, 17 / 24]);
    expect(warnings).toEqual([
      expect.objectContaining({
        code: 'centre_masked',
        message: expect.stringContaining('saturated, cosmic ray'),
      }),
    ]);
    expect(header.value('CUTMODE')).toBe('clip');
  }
  const about = (x: number, y: number) =>
    cutTile({ planes, box: { x0: 4, y0: 4, width: 8, height: 3 }, centre: [x, y], mode: 'primary' }).then(
      ({ image }) => image!.warnings.map(({ code }) => code),
    );
  expect(await about(6, 5)).toEqual(['centre_blank']);
  expect(await about(10, 5)).toEqual(['centre_outside']);
  expect(await about(4, 4)).toEqual([]);
});

it('refuses a cut without a value, and planes of two sizes', async () => {
  const image = await imageOf(new Float32Array(16).fill(Number.NaN), 4);
  const weight = await imageOf(new Float32Array(20), 4);
  const box = { x0: 0, y0: 0, width: 2, height: 2 };
  const refused = (code: string) => expect.objectContaining({ code });
  await expect(cutTile({ planes: { image }, box, mode: 'primary' })).rejects.toEqual(refused('no_coverage'));
  await expect(cutTile({ planes: { weight }, box: { ...box, x0: 4 }, mode: 'clip' })).rejects.toEqual(
    refused('no_coverage'),
  );
  await expect(cutTile({ planes: { image, weight }, box, mode: 'clip' })).rejects.toEqual(
    refused('incompatible_tiles'),
  );
});

it('writes one plane as the primary HDU, several as extensions, and a cut of a cut is the cut', async () => {
  const image = await imageOf(
    Int16Array.from({ length: 400 }, (_, i) => i),
    20,
    [card('CRPIX1', 3), card('CTYPE1', 'X')],
  );
  const cut = async (from: typeof image, x0: number, y0: number, size: number) =>
    (await cutTile({ planes: { image: from }, box: { x0, y0, width: size, height: size }, mode: 'primary' }))
      .image!;
  const once = await cut(image, 5, 6, 7);
  const file = cutFile([{ name: 'IMAGE', plane: once }]);
  const alone = await openFits(memorySource(file));
  expect(alone.hdus.map(({ kind, name }) => [kind, name])).toEqual([['image', 'IMAGE']]);
  const twice = await cut(
    await cut(image, 2, 3, 12).then((outer) =>
      openImage(memorySource(cutFile([{ name: 'IMAGE', plane: outer }]))),
    ),
    3,
    3,
    7,
  );
  expect(Buffer.compare(cutFile([{ name: 'IMAGE', plane: twice }]), file)).toBe(0);

  const planes = [
    { name: 'IMAGE', plane: once },
    { name: 'MASK', plane: once },
  ];
  const several = await openFits(memorySource(cutFile(planes)));
  expect(several.hdus.map(({ kind, name }) => [kind, name])).toEqual([
    ['empty', ''],
    ['image', 'IMAGE'],
    ['image', 'MASK'],
  ]);
  const packed = await openFits(memorySource(cutFile(planes, { compress: {} })));
  expect(packed.hdus.map(({ kind }) => kind)).toEqual(['empty', 'compressed', 'compressed']);
  expect((await packed.image('MASK').read({ x0: 0, y0: 0, width: 7, height: 7 })).data).toEqual(
    once.plane.data,
  );
});

it('cuts many places of a tile as it cuts each, and one without a value keeps none of the others from theirs', async () => {
  const data = Float32Array.from({ length: 400 }, (_, i) => (i < 100 ? Number.NaN : i));
  const planes = { image: await imageOf(data, 20, [card('CRPIX1', 1)]) };
  const at = (x0: number, y0: number) => ({
    planes,
    box: { x0, y0, width: 4, height: 4 },
    mode: 'primary' as const,
  });
  const requests = [at(3, 8), at(50, 50), at(18, 18), at(2, 0), at(3, 9)];
  const cuts = await cutMany(requests);
  for (const [i, request] of requests.entries()) {
    const cut = cuts[i]!;
    if (cut instanceof SkyError)
      await expect(cutTile(request)).rejects.toMatchObject({ code: cut.code, message: cut.message });
    else expect(cut).toEqual(await cutTile(request));
  }
  expect(cuts.map((cut) => cut instanceof SkyError)).toEqual([false, true, false, true, false]);
  await expect(cutMany([at(0, 8), { ...at(0, 8), planes: { ...planes } }])).rejects.toThrow('one tile');
});
