import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memorySource } from '../../bytes/memory.ts';
import { SkyError } from '../../errors.ts';
import type { TileWork } from '../compression/place.ts';
import type { TileThreads } from '../compression/share.ts';
import { openFits, openImage } from '../read/open.ts';
import { packedFiles, pixelHash, realFiles } from '../testing.ts';
import { writeFits } from '../write/file.ts';
import { DecodeThreads } from './threads.ts';

const [width, height] = [1200, 400];
const plane = {
  width,
  height,
  data: Float32Array.from({ length: width * height }, (_, i) =>
    i % 1009 === 0 ? Number.NaN : Math.sin(i * 12.9898) * 100 + 50 * Math.cos(i / 700),
  ),
};
const files = {
  rows: writeFits([{ plane, cards: [], compress: {} }]),
  squares: writeFits([{ plane, cards: [], compress: { tile: { width: 130, height: 70 } } }]),
};
const whole = () => openImage(memorySource(files.rows)).then((image) => image.read(all));
const all = { x0: 0, y0: 0, width, height };

/** Counts what threads are given. */
function counted(threads: TileThreads): TileThreads & { given: number } {
  return {
    count: threads.count,
    leastPixels: threads.leastPixels,
    given: 0,
    place(work, signal) {
      this.given++;
      return threads.place(work, signal);
    },
  };
}

describe('threads', () => {
  let threads: DecodeThreads;
  beforeAll(() => {
    threads = new DecodeThreads({ count: 2 });
  });
  afterAll(() => threads.close());

  it.each(Object.entries(files))('%s are to the last bit what one thread decodes', async (_, bytes) => {
    const some = counted(threads);
    const [here, there] = [
      await openImage(memorySource(bytes)),
      await openImage(memorySource(bytes), undefined, { threads: some }),
    ];
    const boxes = [
      all,
      { x0: 301, y0: 17, width: 800, height: 300 },
      { x0: 5, y0: 390, width: 1, height: 1 },
    ];
    const pixels = await there.readMany(boxes);
    expect(some.given).toBeGreaterThan(1);
    expect(pixels).toEqual(await here.readMany(boxes));
    expect(pixels[0]!.data.buffer).toBeInstanceOf(ArrayBuffer);
    // A message costs more than a few tiles.
    const before = some.given;
    await there.read({ x0: 5, y0: 390, width: 1, height: 1 });
    expect(some.given).toBe(before);
  });

  it('all files that other programs read have the same pixels through them', async () => {
    const forced = counted(threads);
    Object.assign(forced, { leastPixels: 1 });
    for (const { name, bytes, images } of [...packedFiles(), ...realFiles()]) {
      const file = await openFits(memorySource(bytes), { threads: forced });
      const found = file.hdus.filter(({ kind }) => kind === 'image' || kind === 'compressed');
      for (const [i, { sha256 }] of images.entries()) {
        const image = file.image(found[i]!.index);
        const whole = await image.read({ x0: 0, y0: 0, width: image.width, height: image.height });
        expect(pixelHash(whole), `${name} ${i}`).toBe(sha256);
      }
    }
    expect(forced.given).toBeGreaterThan(100);
  });

  it('a damaged tile is named as it is without them, and the next read is whole', async () => {
    const broken = files.rows.slice();
    broken.fill(0xff, broken.length - 200_000, broken.length - 190_000);
    const failure = (options = {}) =>
      openImage(memorySource(broken), undefined, options)
        .then((image) => image.read(all))
        .catch((error: unknown) => error);
    const told = await failure({ threads });
    expect(told).toBeInstanceOf(SkyError);
    expect(told).toMatchObject({ code: 'corrupt_tile', message: expect.stringMatching(/^Tile \d+ of/) });
    expect(await (await openImage(memorySource(files.rows), undefined, { threads })).read(all)).toEqual(
      await whole(),
    );
  });

  it('what is cancelled ends at once, whether it waits or is under way', async () => {
    const image = await openImage(memorySource(files.rows), undefined, { threads });
    const stop = new AbortController();
    const reads = Array.from({ length: 6 }, () => image.read(all, stop.signal));
    await Promise.resolve();
    stop.abort(new Error('enough'));
    for (const read of await Promise.allSettled(reads))
      expect(read).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
    expect(await image.read(all)).toEqual(await whole());
  });
});

it('a thread that dies, throws or comes to no end fails what it was given alone, and is replaced', async () => {
  const code = `import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ where }) => {
      if (where === 'dies') process.exit(1);
      if (where === 'throws') throw new Error('of this');
      if (where === 'hangs') for (;;);
      parentPort.postMessage({});
    });`;
  const script = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const threads = new DecodeThreads({ count: 1, longestMs: 2000, script });
  let given: TileWork | undefined;
  const place = async (work: TileWork): Promise<void> => {
    given = work;
  };
  const image = await openImage(memorySource(files.rows), undefined, {
    threads: { count: 1, leastPixels: 1, place },
  });
  await image.read(all);
  const names = ['fine', 'dies', 'fine', 'throws', 'fine', 'hangs', 'fine'];
  const ended = await Promise.allSettled(
    names.map((where) => threads.place({ ...given!, where }, undefined)),
  );
  const told = ended.map((one) => (one.status === 'fulfilled' ? 'fine' : String(one.reason)));
  expect(told).toEqual([
    'fine',
    'Error: A thread that decoded tiles of dies has ended: exit code 1.',
    'fine',
    'Error: A thread that decoded tiles of throws has ended: Error: of this.',
    'fine',
    'Error: A thread that decoded tiles of hangs has ended: it took longer than 2000 ms.',
    'fine',
  ]);
  await threads.close();
  await expect(threads.place(given!, undefined)).rejects.toThrow('closed');
});
