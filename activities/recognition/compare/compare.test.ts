import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type ModelCard, modelCard } from '../model/card/card.ts';
import { encodeOnnx, int64Tensor } from '../model/onnx/onnx.ts';
import { constantModel, temporaryFolder, tensor } from '../testing/models.ts';
import { noise } from '../testing/noise.ts';
import { compareModel, table } from './index.ts';
import { openPipeline } from './pipeline.ts';

const card = modelCard.parse({
  task: 'classifier',
  outputs: 'logits',
  preprocess: {
    resize: { mode: 'shortest-edge', size: 20, filter: 'pillow-bicubic' },
    crop: { mode: 'center', size: 16 },
    colour: 'rgb',
    scale: 1 / 255,
    mean: [0.5, 0.4, 0.3],
    std: [0.2, 0.2, 0.2],
    layout: 'nchw',
    dtype: 'float32',
  },
});

/** A folder with a picture, and a model whose logits are the means of its channels. */
async function classifier(): Promise<{ readonly cardPath: string; readonly folder: string }> {
  const folder = await temporaryFolder();
  const model = encodeOnnx({
    name: 'means',
    inputs: [{ name: 'image', dims: [1, 3, 16, 16] }],
    outputs: [{ name: 'logits', dims: [1, 3] }],
    nodes: [
      { op: 'ReduceMean', inputs: ['image'], output: 'mean', attributes: { axes: [2, 3], keepdims: 1 } },
      { op: 'Reshape', inputs: ['mean', 'flat'], output: 'logits' },
    ],
    initializers: [int64Tensor('flat', [1, 3])],
  });
  await writeFile(join(folder, 'means.onnx'), model);
  await writePicture(folder);
  const cardPath = join(folder, 'means.json');
  await writeFile(cardPath, JSON.stringify(card));
  return { folder, cardPath };
}

const writePicture = async (folder: string) =>
  sharp(noise(1, 40 * 30 * 3), { raw: { width: 40, height: 30, channels: 3 } }).toFile(
    join(folder, 'picture.png'),
  );

const listed = (shape: readonly number[], data: ArrayLike<number>) => ({ shape, values: Array.from(data) });
const sha256 = (data: Uint8Array | Uint8ClampedArray) => createHash('sha256').update(data).digest('hex');

/** What a pipeline that does the same would have written down. */
async function hopsOf(cardPath: string, of: ModelCard, top1: unknown) {
  const pipeline = await openPipeline(cardPath, of);
  const raster = await pipeline.decode(await readFile(join(dirname(cardPath), 'picture.png')));
  const small = await pipeline.resize(raster);
  const numbers = pipeline.tensor(small, raster);
  const hops = {
    picture: 'picture.png',
    decoded: listed([raster.height, raster.width, 3], raster.data),
    resized: listed([small.height, small.width, 3], small.data),
    tensor: listed(numbers.dims, numbers.data),
    top1,
  };
  const output = await pipeline.infer?.(numbers);
  return { ...hops, ...(output && { output: listed(output.dims, output.data) }), digest: sha256(small.data) };
}

/** The hops of the classifier, changed, and what is said of them. */
async function compared(change: (hops: Awaited<ReturnType<typeof hopsOf>>) => object) {
  const { cardPath, folder } = await classifier();
  const { digest, ...hops } = await hopsOf(cardPath, card, { class: 2 });
  const expected = join(folder, 'expected.json');
  await writeFile(expected, JSON.stringify({ ...hops, ...change({ ...hops, digest }) }));
  return compareModel(cardPath, expected);
}
const verdicts = ({ rows }: Awaited<ReturnType<typeof compared>>) =>
  Object.fromEntries(rows.map(({ hop, within }) => [hop, within]));

describe('a classifier', () => {
  it('that is served as it was trained agrees at every hop', async () => {
    const comparison = await compared(() => ({}));
    expect(comparison.parts).toBeUndefined();
    expect(verdicts(comparison)).toEqual({
      decoded: true,
      resized: true,
      tensor: true,
      output: true,
      top1: true,
    });
    expect(table(comparison)).toMatch(/^hop .*\ndecoded .*\n(.*\n)+\nThey agree\.$/);
  });

  it.each<[string, Parameters<typeof compared>[0], Record<string, boolean>, RegExp]>([
    [
      'another filter',
      ({ resized }) => ({
        resized: {
          ...resized,
          values: resized.values.map((value, i) => (i === 9 ? (value + 100) % 256 : value)),
        },
      }),
      { decoded: true, resized: false, tensor: false },
      /resized .*PARTS\n[\s\S]*They part at "resized"\. Look at mode/,
    ],
    [
      // The output is of the tensor that it was made of: there nothing parts again.
      'colours the other way round',
      ({ tensor }) => ({
        tensor: { ...tensor, values: [2, 1, 0].flatMap((c) => tensor.values.slice(c * 256, (c + 1) * 256)) },
        output: undefined,
      }),
      { decoded: true, resized: true, tensor: false, top1: true },
      /They part at "tensor"\. Look at colour/,
    ],
    [
      'another class',
      ({ output }) => ({ top1: 1, output }),
      { decoded: true, resized: true, tensor: true, output: true, top1: false },
      /top1 +2, not 1/,
    ],
    [
      'another size',
      () => ({ resized: { shape: [20, 20, 3], sha256: '0'.repeat(64) } }),
      { decoded: true, resized: false, tensor: true },
      /16 × 16 × 3, not 20 × 20 × 3/,
    ],
    [
      'pixels of which the digest alone is told',
      ({ digest }) => ({
        decoded: { shape: [30, 40, 3], sha256: '0'.repeat(64) },
        resized: { shape: [16, 16, 3], sha256: digest },
      }),
      { decoded: false, resized: true, tensor: true },
      /decoded .*another SHA-256/,
    ],
  ])('parts where it has %s', async (_, change, expected, shown) => {
    const comparison = await compared(change);
    expect(verdicts(comparison)).toMatchObject(expected);
    expect(comparison.parts).toBe(Object.entries(expected).find(([, within]) => !within)?.[0]);
    expect(table(comparison)).toMatch(shown);
  });

  it('takes no offence at axes of length 1', async () => {
    const { parts, rows } = await compared(({ tensor, output }) => ({
      tensor: { ...tensor, shape: [3, 16, 16] },
      ...(output && { output: { ...output, shape: [3] } }),
    }));
    expect(parts).toBeUndefined();
    expect(rows.find(({ hop }) => hop === 'output')).toMatchObject({ fromTheirs: { largest: 0 } });
  });

  it('is compared by every so many values, and then from the picture', async () => {
    const { rows } = await compared(({ decoded }) => ({
      decoded: { ...decoded, every: 7, values: decoded.values.filter((_, i) => i % 7 === 0) },
    }));
    expect(rows.slice(0, 2)).toMatchObject([
      { hop: 'decoded', fromPicture: { largest: 0 } },
      { hop: 'resized', fromPicture: { largest: 0 }, tolerance: 2 },
    ]);
    expect(rows[1]).not.toHaveProperty('fromTheirs');
  });

  it('without its model is compared as far as the tensor', async () => {
    const { cardPath, folder } = await classifier();
    const { digest: _, ...hops } = await hopsOf(cardPath, card, 2);
    const expected = join(folder, 'expected.json');
    await writeFile(expected, JSON.stringify(hops));
    await rm(join(folder, 'means.onnx'));
    const comparison = await compareModel(cardPath, expected);
    expect(verdicts(comparison)).toEqual({ decoded: true, resized: true, tensor: true });
    expect(table(comparison)).toContain('nothing was inferred');
  });

  it('is not compared with a file that says something else, and all of that is told', async () => {
    const { cardPath, folder } = await classifier();
    const expected = join(folder, 'expected.json');
    await writeFile(expected, '{"tensor":{"shape":[1,3],"values":[1]},"logits":[1],"top1":-1}');
    const error = await compareModel(cardPath, expected).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'invalid_request' });
    for (const field of ['picture', 'tensor', 'logits', 'top1'])
      expect(error).toMatchObject({ message: expect.stringContaining(field) });
  });
});

it('a detector is compared too, of which much may be guessed', async () => {
  const path = await constantModel({ outputs: { output0: tensor([1, 8, 84], [[0, 4, 1], 0.5]) }, card: {} });
  const cardPath = path.replace('.onnx', '.json');
  await writePicture(dirname(path));
  const { digest: _, top1: __, ...hops } = await hopsOf(cardPath, {}, undefined);
  const expected = join(dirname(path), 'expected.json');
  await writeFile(expected, JSON.stringify(hops));
  const comparison = await compareModel(cardPath, expected);
  expect(verdicts(comparison)).toEqual({ decoded: true, resized: true, tensor: true, output: true });
});
