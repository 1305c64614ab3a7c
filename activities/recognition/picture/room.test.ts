import { expect, it } from 'vitest';
import { sample } from '../testing/samples.ts';
import { PictureRoom, type Told, told } from './room.ts';

const jpeg = (megapixels: number): Told => ({ pixels: megapixels * 1e6, format: 'jpeg' });

/** Takes room for pictures, in this order; tells which of them have it, and gives back that of one. */
function taking(room: PictureRoom, pictures: readonly Told[], signals: readonly AbortSignal[] = []) {
  const inside = new Set<number>();
  const ends = pictures.map(() => Promise.withResolvers<void>());
  const runs = pictures.map((picture, n) =>
    room.run(
      picture,
      () => {
        inside.add(n);
        return ends[n]!.promise.finally(() => inside.delete(n));
      },
      signals[n],
    ),
  );
  return {
    runs,
    inside: async () => {
      await new Promise(setImmediate);
      return [...inside];
    },
    end: (n: number) => ends[n]!.resolve(),
  };
}

it('has three pictures at once, or as many as there is memory for, in order of arrival', async () => {
  const room = new PictureRoom(2 * 2 ** 30);
  const small = taking(room, Array(5).fill(jpeg(12)));
  expect(await small.inside()).toEqual([0, 1, 2]);
  small.end(1);
  expect(await small.inside()).toEqual([0, 2, 3]);
  for (const n of [0, 2, 3, 4]) small.end(n);
  await Promise.all(small.runs);

  const large = taking(room, [jpeg(100), jpeg(100), jpeg(100), jpeg(12)]);
  expect(await large.inside()).toEqual([0, 1]);
  large.end(0);
  expect(await large.inside()).toEqual([1, 2]);
  for (const n of [1, 2, 3]) large.end(n);
  await Promise.all(large.runs);

  const avif = taking(room, [{ pixels: 100e6, format: 'avif' }, jpeg(12)]);
  expect(await avif.inside()).toEqual([0]);
  for (const n of [0, 1]) avif.end(n);
  await Promise.all(avif.runs);
});

it('lets a picture in alone that is larger than all the room', async () => {
  const room = new PictureRoom(256 * 2 ** 20);
  const { inside, end, runs } = taking(room, [jpeg(100), jpeg(100)]);
  expect(await inside()).toEqual([0]);
  end(0);
  expect(await inside()).toEqual([1]);
  end(1);
  await Promise.all(runs);
});

it('is not held up by one that gave up waiting', async () => {
  const [stay, leave] = [new AbortController(), new AbortController()];
  const { inside, end, runs } = taking(
    new PictureRoom(2 * 2 ** 30),
    [jpeg(100), jpeg(180), jpeg(12)],
    [stay.signal, leave.signal, stay.signal],
  );
  expect(await inside()).toEqual([0]);
  leave.abort(new Error('enough'));
  await expect(runs[1]).rejects.toThrow('enough');
  expect(await inside()).toEqual([0, 2]);
  for (const n of [0, 2]) end(n);
  await Promise.all([runs[0], runs[2]]);
});

it('is told of a picture by its header', async () => {
  const limits = { bytes: 1e8, pixels: 1e8, frames: 10 };
  expect(await told(sample('cat.jpg'), limits, false)).toEqual({
    format: 'jpeg',
    orientation: 1,
    pixels: 451 * 300,
  });
  const ispe = (width: number, height: number) => {
    const box = Buffer.alloc(20);
    box.writeUInt32BE(20);
    box.write('ispe', 4, 'latin1');
    box.writeUInt32BE(width, 12);
    box.writeUInt32BE(height, 16);
    return box;
  };
  const heic = Buffer.concat([ispe(512, 512), ispe(4032, 3024), Buffer.from('....ispe')]);
  expect(await told(heic, limits, true)).toEqual({ format: 'heic', pixels: 4032 * 3024 });
  const lying = ispe(2 ** 31, 2 ** 31);
  expect(await told(lying, limits, true)).toEqual({ format: 'heic', pixels: limits.pixels });
});
