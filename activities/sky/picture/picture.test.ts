import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { textsOf } from './file/png-text.ts';
import { makePicture, type PictureOptions } from './picture.ts';
import { inSinglePrecision, scene } from './testing/scene.ts';

const plane = (seed: number, width = 120, height = 90) =>
  inSinglePrecision(scene({ width, height, seed, peak: 40, sky: 0.1, noise: 0.4 }));
const bands = () => [
  { name: 'i', plane: plane(1) },
  { name: 'r', plane: plane(2) },
  { name: 'g', plane: plane(3) },
];
const options: PictureOptions = {
  format: 'png',
  look: { algorithm: 'lupton', stretch: 0.5 },
  direction: { north: 0, parity: 1 },
  pixelScale: 0.2 / 3600,
  texts: { Source: 'survey/tile' },
};

describe('a picture', () => {
  it('tells in its answer and in its file how it was made', async () => {
    const { file, made } = await makePicture(bands(), { ...options, marks: { scaleBar: true } });
    expect(made).toMatchObject({
      width: 120,
      height: 90,
      pixelScale: options.pixelScale,
      orientation: { rule: 'north-up', north: 0, east: 'left' },
      levels: { algorithm: 'lupton', settings: { stretch: 0.5, q: 8 } },
      scaleBar: { text: '5″', pixels: 25 },
    });
    expect(made.scaledFrom).toBeUndefined();
    const texts = textsOf(file);
    expect(texts.Source).toBe('survey/tile');
    expect(JSON.parse(texts.Picture!)).toEqual(JSON.parse(JSON.stringify(made)));
    expect((await makePicture(bands(), { ...options, marks: { scaleBar: true } })).file).toEqual(file);
  });

  it('is no larger than asked for; its scale is that of what it shows', async () => {
    const turned = { ...options, direction: { north: 88, parity: -1 }, maxPixels: 60 } as const;
    const { file, made } = await makePicture(bands(), turned);
    expect(made).toMatchObject({ width: 45, height: 60, scaledFrom: { width: 120, height: 90 } });
    expect(made.pixelScale).toBeCloseTo(2 * options.pixelScale, 12);
    expect(made.orientation.north).toBeCloseTo(2, 9);
    expect(await sharp(file).metadata()).toMatchObject({ width: 45, height: 60, channels: 3 });
  });

  it('has its crosshair on the source, however it is scaled and turned', async () => {
    const width = 200;
    const height = 150;
    for (const direction of [
      { north: 0, parity: 1 },
      { north: 90, parity: 1 },
      { north: -90, parity: -1 },
      { north: 180, parity: -1 },
    ] as const) {
      const data = new Float32Array(width * height);
      const [x, y] = [40, 100];
      for (const dy of [0, 1]) for (const dx of [0, 1]) data[(y + dy) * width + x + dx] = 100;
      const source = [{ name: 'r', plane: { width, height, data } }];
      const look = {
        algorithm: 'asinh',
        minimum: { type: 'manual', value: 0 },
        maximum: { type: 'manual', value: 100 },
      } as const;
      const plain = { ...options, direction, look, maxPixels: 100 };
      const counts = async (of: PictureOptions) =>
        sharp((await makePicture(source, of)).file)
          .toColourspace('b-w')
          .raw()
          .toBuffer({ resolveWithObject: true });
      const { data: bare, info } = await counts(plain);
      const at = bare.indexOf(255);
      const [sourceX, sourceY] = [at % info.width, Math.floor(at / info.width)];
      const { data: marked } = await counts({ ...plain, marks: { crosshair: { x: x + 0.5, y: y + 0.5 } } });
      const lit = [...marked.keys()].filter((i) => marked[i]! > 200 && i !== at);
      const middle = (values: number[]) => (Math.min(...values) + Math.max(...values)) / 2;
      expect(middle(lit.map((i) => i % info.width))).toBe(sourceX);
      expect(middle(lit.map((i) => Math.floor(i / info.width)))).toBe(sourceY);
    }
  });

  it('takes bands of one size alone, also when it scales them down', async () => {
    const odd = [...bands().slice(0, 2), { name: 'g', plane: plane(3, 121, 90) }];
    await expect(makePicture(odd, { ...options, maxPixels: 20 })).rejects.toMatchObject({
      code: 'invalid_cutout',
    });
    await expect(makePicture([], options)).rejects.toMatchObject({ code: 'invalid_cutout' });
  });
});
