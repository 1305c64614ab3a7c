import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { preprocess as card, type Preprocess, vipsFilters } from '../../model/card/preprocess.ts';
import { limits } from '../../testing/models.ts';
import { decode } from '../prepare.ts';
import { preprocess } from './preprocess.ts';

const how = (fields: object): Preprocess =>
  card.parse({
    resize: { mode: 'squash', size: 8, filter: 'pillow-bilinear' },
    colour: 'rgb',
    scale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    layout: 'nchw',
    dtype: 'float32',
    ...fields,
  });

/** 32 × 16: four stripes of 8, red, green, blue, white. */
const stripes = {
  width: 32,
  height: 16,
  data: Buffer.from(
    Array.from({ length: 32 * 16 }, (_, i) => {
      const stripe = Math.floor((i % 32) / 8);
      return [0, 1, 2].map((channel) => (stripe === channel || stripe === 3 ? 255 : 0));
    }).flat(),
  ),
};

describe('the tensor of a card', () => {
  it.each<[string, object, number[][]]>([
    [
      'squashed',
      { resize: { mode: 'squash', size: { width: 32, height: 8 }, filter: 'nearest' } },
      [
        [255, 0, 0],
        [255, 255, 255],
      ],
    ],
    [
      'of its middle',
      { resize: { mode: 'cover', size: 16, filter: 'pillow-bicubic' } },
      [
        [0, 255, 0],
        [0, 0, 255],
      ],
    ],
    [
      'of its middle, by libvips',
      { resize: { mode: 'cover', size: 16, filter: 'linear' } },
      [
        [0, 255, 0],
        [0, 0, 255],
      ],
    ],
    [
      'of a crop',
      { resize: { mode: 'shortest-edge', size: 16, filter: 'lanczos3' }, crop: { mode: 'center', size: 8 } },
      [
        [0, 255, 0],
        [0, 0, 255],
      ],
    ],
    [
      'in a letterbox',
      { resize: { mode: 'letterbox', size: 32, filter: 'pillow-bilinear', pad: 7 } },
      [
        [7, 7, 7],
        [7, 7, 7],
      ],
    ],
    [
      'at the top of a letterbox',
      { resize: { mode: 'letterbox', size: 32, filter: 'cubic', pad: 7, position: 'top-left' } },
      [
        [255, 0, 0],
        [255, 255, 255],
      ],
    ],
  ])('%s has the corners that it should', async (_, fields, corners) => {
    const { data, dims } = await preprocess(stripes, how({ ...fields, layout: 'nhwc' }));
    const width = dims[2] ?? 0;
    expect([[...data.subarray(0, 3)], [...data.subarray((width - 1) * 3, width * 3)]]).toEqual(corners);
  });

  it.each(vipsFilters)('is made by %s of libvips, too', async (filter) => {
    const { data, dims } = await preprocess(stripes, how({ resize: { mode: 'squash', size: 9, filter } }));
    expect(dims).toEqual([1, 3, 9, 9]);
    expect(data[0]).toBeGreaterThan(250);
  });

  it('is normalised in the order of its colours', async () => {
    const { data } = await preprocess(
      stripes,
      how({ colour: 'bgr', scale: 1 / 255, mean: [0.1, 0.2, 0.5], std: [1, 2, 0.5] }),
    );
    [-0.1, -0.1, 1].forEach((value, channel) => {
      expect(data[channel * 64]).toBeCloseTo(value, 6);
    });
  });
});

it.each([8, 16])('transparent colours of %i bits are on white, or shown as they are', async (bits) => {
  const clear = sharp({
    create: { width: 9, height: 9, channels: 4, background: { r: 200, g: 100, b: 20, alpha: 0 } },
  });
  const png = await (bits === 16 ? clear.toColourspace('rgb16') : clear).png().toBuffer();
  const first = async (alpha: 'white' | 'drop') => [
    ...(await decode(png, limits, { alpha })).data.subarray(0, 3),
  ];
  expect(await first('white')).toEqual([255, 255, 255]);
  expect(await first('drop')).toEqual([200, 100, 20]);
});
