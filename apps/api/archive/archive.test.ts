import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { createStorage, type Storage } from '@darkroom/storage';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { type ArchivedFile, type FilePages, layoutOf, segmentsOf } from './layout.ts';
import { rangeOf } from './range.ts';
import { chunksOf } from './read.ts';

const run = promisify(execFile);
const at = new Date('2026-03-04T05:06:08Z');
const KiB = 1024;
const MiB = 1024 * KiB;

/** Pages of a list; a place is the index behind the last file. */
function pagesOf(length: number, file: (index: number) => ArchivedFile): FilePages<number> {
  return {
    page: async (after = 0, limit) => {
      const to = Math.min(after + limit, length);
      const files = Array.from({ length: to - after }, (_, i) => file(after + i));
      return { files, next: to < length ? to : undefined };
    },
  };
}

/** Objects in memory, by URI. */
function memory(contents: ReadonlyMap<string, Buffer>): Pick<Storage, 'get'> {
  const get = async (uri: string, { range }: { range?: { start: number; length: number } } = {}) => {
    const all = contents.get(uri)!;
    const body = range === undefined ? all : all.subarray(range.start, range.start + range.length);
    return { stream: Readable.from([body]), length: body.length };
  };
  return { get: get as unknown as Storage['get'] };
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

const never = new AbortController().signal;

interface Sample {
  readonly path: string;
  readonly body: Buffer;
  readonly known: boolean;
}
const sample: fc.Arbitrary<Sample> = fc.record({
  path: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
  body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  known: fc.boolean(),
});

/** As objects of their own, or all that have a byte in one pack behind some other bytes, in their order or not. */
function archive(samples: readonly Sample[], packed: 'in order' | 'backwards' | false = false) {
  const contents = new Map(samples.map(({ body }, i) => [`s3://b/${i}`, body]));
  const ranges = new Map<number, { start: number; length: number }>();
  if (packed !== false) {
    const order = packed === 'in order' ? [...samples.keys()] : [...samples.keys()].reverse();
    let start = 3;
    for (const i of order) {
      const { length } = samples[i]!.body;
      if (length > 0) ranges.set(i, { start, length });
      start += length;
    }
    contents.set('s3://b/pack', Buffer.concat([Buffer.from('...'), ...order.map((i) => samples[i]!.body)]));
  }
  const files = pagesOf(samples.length, (i) => {
    const { path, body, known } = samples[i]!;
    const sha256 = createHash('sha256').update(body).digest('hex');
    const range = ranges.get(i);
    return {
      path,
      ...(range === undefined ? { uri: `s3://b/${i}` } : { uri: 's3://b/pack', range }),
      bytes: body.length,
      sha256,
      ...(known && { crc32: crc32(body) }),
    };
  });
  return { files, storage: memory(contents) };
}

describe('the layout', () => {
  test('any range of the archive is that slice of the whole, and the size is known before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sample, { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 5, maxLength: 20 }),
        async (samples, perBlock, cuts) => {
          const { files, storage } = archive(samples);
          const layout = await layoutOf(files, at, perBlock);
          const part = (start: number, end: number) =>
            bytesOf(chunksOf(segmentsOf(layout, files, start, end), storage, never));
          const whole = await part(0, layout.size);
          expect(whole).toHaveLength(layout.size);
          for (const [a, b] of cuts) {
            const start = a % layout.size;
            const end = start + 1 + (b % (layout.size - start));
            expect(await part(start, end)).toEqual(whole.subarray(start, end));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('files that lie in a pack make the same archive, and any range of it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sample, { minLength: 1, maxLength: 12 }),
        fc.constantFrom('in order' as const, 'backwards' as const),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 5, maxLength: 20 }),
        async (samples, packed, cuts) => {
          const bytes = async ({ files, storage }: ReturnType<typeof archive>, start = 0, end?: number) => {
            const layout = await layoutOf(files, at, 3);
            return bytesOf(chunksOf(segmentsOf(layout, files, start, end ?? layout.size), storage, never));
          };
          const whole = await bytes(archive(samples));
          const ofPack = archive(samples, packed);
          expect(await bytes(ofPack)).toEqual(whole);
          for (const [a, b] of cuts) {
            const start = a % whole.length;
            const end = start + 1 + (b % (whole.length - start));
            expect(await bytes(ofPack, start, end)).toEqual(whole.subarray(start, end));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('neighbours in a pack are read by one request', async () => {
    const samples = Array.from({ length: 100 }, (_, i) => ({
      path: String(i),
      body: Buffer.from(`file ${i}`),
      known: true,
    }));
    const { files, storage } = archive(samples, 'in order');
    let asked = 0;
    const get = ((...given: Parameters<Storage['get']>) => {
      asked++;
      return storage.get(...given);
    }) as Storage['get'];
    const layout = await layoutOf(files, at);
    await bytesOf(chunksOf(segmentsOf(layout, files, 0, layout.size), { get }, never));
    expect(asked).toBe(2);
  });

  test('the same files make the same digest, others another', async () => {
    const body = Buffer.from('one');
    const digest = async (samples: readonly Sample[], time = at) =>
      (await layoutOf(archive(samples).files, time)).digest;
    const one = { path: 'a', body, known: true };
    const digests = await Promise.all([
      digest([one]),
      digest([{ ...one, path: 'b' }]),
      digest([{ ...one, body: Buffer.from('two') }]),
      digest([{ ...one, known: false }]),
      digest([one, one]),
      digest([one], new Date('2026-03-04T05:06:10Z')),
    ]);
    expect(new Set(digests).size).toBe(6);
    expect(await digest([one])).toBe(digests[0]);
  });
});

describe('a hundred thousand small files', () => {
  const many = 100_000;
  const bodyOf = (i: number): Buffer => Buffer.from(`the content of file ${i}`);
  const files = pagesOf(many, (i) => ({
    path: `small/${i}.txt`,
    uri: `s3://b/${i}`,
    bytes: bodyOf(i).length,
    sha256: 's',
    crc32: crc32(bodyOf(i)),
  }));
  /** What is on its way at a time, at most, and in all. */
  const asked = { now: 0, most: 0, all: 0 };
  const storage = {
    get: async (uri: string, { range }: { range?: { start: number; length: number } } = {}) => {
      asked.all++;
      asked.most = Math.max(asked.most, ++asked.now);
      // They come in another order than they were asked for in.
      await new Promise((resolve) => setImmediate(resolve));
      if (asked.all % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      const all = bodyOf(Number(uri.split('/').at(-1)));
      const body = range === undefined ? all : all.subarray(range.start, range.start + range.length);
      const stream = Readable.from([body]).once('end', () => asked.now--);
      return { stream, length: body.length };
    },
  } as unknown as Pick<Storage, 'get'>;

  async function digestOf(...parts: AsyncIterable<Uint8Array>[]): Promise<{ sha256: string; bytes: number }> {
    const hash = createHash('sha256');
    let bytes = 0;
    for (const part of parts)
      for await (const chunk of part) {
        hash.update(chunk);
        bytes += chunk.length;
      }
    return { sha256: hash.digest('hex'), bytes };
  }

  test('make the same archive whole and cut at half of it, and then on from there', async () => {
    const layout = await layoutOf(files, at);
    const part = (start: number, end: number) =>
      chunksOf(segmentsOf(layout, files, start, end), storage, never);
    const whole = await digestOf(part(0, layout.size));
    expect(whole.bytes).toBe(layout.size);
    const half = Math.floor(layout.size / 2);
    expect(await digestOf(part(0, half), part(half, layout.size))).toEqual(whole);
  }, 240_000);

  test('are fetched some dozens ahead of a reader who waits for them, and no further ahead of one who rests', async () => {
    expect(asked.most).toBeGreaterThan(16);
    expect(asked.most).toBeLessThanOrEqual(33);
    const layout = await layoutOf(files, at);
    const before = asked.all;
    const chunks = chunksOf(segmentsOf(layout, files, 0, layout.size), storage, never);
    await chunks.next();
    const begun = asked.all;
    await sleep(200);
    expect(asked.all).toBe(begun);
    await chunks.return();
    // A first chunk of 64 KiB has some thousand of them.
    expect(begun - before).toBeLessThan(1500);
  });
});

describe('other programs', () => {
  const samples: Sample[] = [
    { path: 'photos/ä ✓.jpg', body: randomBytes(100_000), known: true },
    { path: 'empty', body: Buffer.alloc(0), known: true },
    { path: 'empty too', body: Buffer.alloc(0), known: false },
    { path: 'of an older job.json', body: randomBytes(70_000), known: false },
  ];
  const python = ['python3', 'python'];
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'darkroom-zip-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function first(programs: readonly string[], args: readonly string[]): Promise<string | undefined> {
    for (const program of programs) {
      try {
        return (await run(program, args, { maxBuffer: 64 * MiB })).stdout;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    if (process.env.CI) throw new Error(`There is none of ${programs.join(', ')}.`);
    return undefined;
  }

  const script = `
import hashlib, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    print(json.dumps([[i.filename, i.file_size, hashlib.sha256(z.read(i)).hexdigest(), list(i.date_time)] for i in z.infolist()]))`;

  test("Python's zipfile reads names, times and contents", async ({ skip }) => {
    const { files, storage } = archive(samples);
    const layout = await layoutOf(files, at);
    const path = join(folder, 'a.zip');
    await writeFile(path, await bytesOf(chunksOf(segmentsOf(layout, files, 0, layout.size), storage, never)));
    const told = await first(python, ['-c', script, path]);
    if (told === undefined) return skip('there is no Python');
    expect(JSON.parse(told)).toEqual(
      samples.map(({ path: name, body }) => [
        name,
        body.length,
        createHash('sha256').update(body).digest('hex'),
        [2026, 3, 4, 5, 6, 8],
      ]),
    );
  });

  test('unzip finds no fault', async ({ skip }) => {
    const { files, storage } = archive(samples);
    const layout = await layoutOf(files, at);
    const path = join(folder, 'b.zip');
    await writeFile(path, await bytesOf(chunksOf(segmentsOf(layout, files, 0, layout.size), storage, never)));
    const told = await first(['unzip'], ['-t', path]);
    if (told === undefined) return skip('there is no unzip');
    expect(told).toContain('No errors detected');
  });

  test('and more entries than 16 bits count', async ({ skip }) => {
    const body = Buffer.from('x');
    const files = pagesOf(70_000, (i) => ({
      path: `${i}`,
      uri: 's3://b/x',
      bytes: 1,
      sha256: 's',
      crc32: crc32(body),
    }));
    const layout = await layoutOf(files, at);
    const storage = memory(new Map([['s3://b/x', body]]));
    const path = join(folder, 'many.zip');
    await writeFile(path, await bytesOf(chunksOf(segmentsOf(layout, files, 0, layout.size), storage, never)));
    const count = 'import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).infolist()))';
    const told = await first(python, ['-c', count, path]);
    if (told === undefined) return skip('there is no Python');
    expect(told.trim()).toBe('70000');
  }, 60_000);

  test('and more bytes than 32 bits count: its directory, with nothing read of the objects', async ({
    skip,
  }) => {
    const large = 5 * 1024 ** 3;
    const files = pagesOf(3, (i) => ({
      path: `${i}.bin`,
      uri: `s3://b/${i}`,
      bytes: i === 1 ? 10 : large,
      sha256: 's',
      crc32: 7,
    }));
    const layout = await layoutOf(files, at);
    expect(layout.size).toBeGreaterThan(2 * large);
    const untouched = {
      get: () => Promise.reject(new Error('An object was read.')),
    } as unknown as Pick<Storage, 'get'>;
    const from = layout.blocks.at(-1)!.offset;
    const directory = await bytesOf(chunksOf(segmentsOf(layout, files, from, layout.size), untouched, never));
    // A file with a hole where the contents are: what zipfile reads is the directory alone.
    const path = join(folder, 'large.zip');
    await writeFile(path, '');
    const told = await first(python, [
      '-c',
      `
import json, sys, zipfile
with open(sys.argv[1], 'r+b') as f:
    f.seek(int(sys.argv[2])); f.write(bytes.fromhex(sys.argv[3]))
print(json.dumps([[i.filename, i.file_size, i.header_offset] for i in zipfile.ZipFile(sys.argv[1]).infolist()]))`,
      path,
      String(from),
      directory.toString('hex'),
    ]);
    if (told === undefined) return skip('there is no Python');
    const header = 30 + 5;
    expect(JSON.parse(told)).toEqual([
      ['0.bin', large, 0],
      ['1.bin', 10, header + 20 + large],
      ['2.bin', large, header + 20 + large + header + 10],
    ]);
  });
});

describe('ranges', () => {
  const of = { size: 100, etag: '"e"' };
  test.each([
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=10-', { start: 10, end: 100 }],
    ['bytes=-10', { start: 90, end: 100 }],
    ['bytes=-1000', { start: 0, end: 100 }],
    ['bytes=10-1000', { start: 10, end: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-8', undefined],
    ['bytes=0-1,4-5', undefined],
    ['bytes=-', undefined],
    ['lines=1-2', undefined],
    [undefined, undefined],
  ])('%s', (header, range) => expect(rangeOf(header, undefined, of)).toEqual(range));

  test('of other bytes than the client has parts of, the whole', () => {
    expect(rangeOf('bytes=1-2', '"e"', of)).toEqual({ start: 1, end: 3 });
    expect(rangeOf('bytes=1-2', '"other"', of)).toBeUndefined();
    expect(rangeOf('bytes=1-2', 'W/"e"', of)).toBeUndefined();
  });
});

describe('objects of a store', () => {
  let s3: TestS3;
  let storage: Storage;
  const list: ArchivedFile[] = [];
  const count = 12;
  const files = pagesOf(count, (i) => list[i]!);
  beforeAll(async () => {
    s3 = await startS3();
    storage = createStorage({ ...s3, forcePathStyle: true });
    for (let i = 0; i < count; i++) {
      const body = randomBytes(4 * MiB);
      const { uri, sha256 } = await storage.putBytes(`files/${i}`, body, { contentType: 'image/jpeg' });
      list.push({ path: `${i}`, uri, bytes: body.length, sha256, crc32: crc32(body) });
    }
  }, 60_000);
  afterAll(async () => {
    storage?.close();
    await s3?.stop();
  });

  /** The storage, and what it opened with the bytes that were read of it. */
  function watched() {
    const opened: { stream: Readable; bytes: number }[] = [];
    const get: Storage['get'] = async (...args) => {
      const got = await storage.get(...args);
      const seen = { stream: got.stream, bytes: 0 };
      const push = got.stream.push.bind(got.stream);
      got.stream.push = (chunk, encoding) => {
        seen.bytes += chunk?.length ?? 0;
        return push(chunk, encoding);
      };
      opened.push(seen);
      return got;
    };
    return { get, opened };
  }
  const whole = async (get: Storage['get'], signal = never) => {
    const layout = await layoutOf(files, at);
    return chunksOf(segmentsOf(layout, files, 0, layout.size), { get }, signal);
  };

  test('are opened a few ahead and read no faster than the reader, and none is opened twice', async () => {
    const { get, opened } = watched();
    const chunks = await whole(get);
    let size = (await chunks.next()).value?.length ?? 0;
    while (size < MiB) size += (await chunks.next()).value?.length ?? 0;
    await sleep(300);
    expect(opened.length).toBeGreaterThan(1);
    expect(opened.length).toBeLessThanOrEqual(5);
    expect(opened.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(3 * MiB);
    for await (const chunk of chunks) size += chunk.length;
    expect(size).toBe((await layoutOf(files, at)).size);
    expect(opened.map(({ bytes, stream }) => [bytes, stream.destroyed])).toEqual(
      Array(count).fill([4 * MiB, true]),
    );
  });

  test('a reader that leaves, and a signal, close what is open', async () => {
    const { get, opened } = watched();
    const left = await whole(get);
    await left.next();
    await sleep(300);
    await left.return();
    const stop = new AbortController();
    const stopped = await whole(get, stop.signal);
    await stopped.next();
    await sleep(300);
    stop.abort(new Error('The process stops.'));
    const rest = async () => {
      for await (const _ of stopped);
    };
    await expect(rest()).rejects.toThrow('The process stops.');
    await sleep(100);
    expect(opened.length).toBeGreaterThan(2);
    expect(opened.every(({ stream }) => stream.destroyed)).toBe(true);
  });

  test('one of another size than told breaks the archive off', async () => {
    const wrong = pagesOf(1, () => ({ ...list[0]!, bytes: 10 }));
    const layout = await layoutOf(wrong, at);
    await expect(
      bytesOf(chunksOf(segmentsOf(layout, wrong, 0, layout.size), storage, never)),
    ).rejects.toThrow('not 10');
  });
});
