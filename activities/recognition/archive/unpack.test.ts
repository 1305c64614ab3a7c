import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { loadConfig } from '@darkroom/platform';
import { expect, it } from 'vitest';
import { tarOf, zipOf } from '../testing/archives.ts';
import type { ArchiveEntry } from './read.ts';
import { type Unpacking, unpack } from './unpack.ts';

/** Archives read in a process of their own, which has nothing but what its parent reads for it. */

const { lane } = loadConfig({ DATABASE_URL: 'postgres://not-used' });
const body = (n: number) => Buffer.alloc(1000 + n, n);
const files = Array.from({ length: 30 }, (_, n) => ({ name: `${n}.jpg`, body: body(n) }));

function work(bytes: Uint8Array, changes: Partial<Unpacking> = {}): Unpacking & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    name: 'pictures.zip',
    source: {
      size: bytes.length,
      async read(offset, length) {
        asked.push(length);
        return bytes.subarray(offset, offset + length);
      },
    },
    format: 'zip',
    limits: { members: 100, memberBytes: 2000, unpackedBytes: 1e9, ratio: 100 },
    lane,
    from: { after: 0 },
    signal: new AbortController().signal,
    asked,
    ...changes,
  };
}

async function gathered(unpacking: Unpacking): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  for await (const entry of unpack(unpacking)) entries.push(entry);
  return entries;
}

it('gives what is in one, bytes and refusals, behind what is known', async () => {
  const packed = [...files, { name: '../up.jpg', body: body(1) }];
  for (const [format, bytes] of [
    ['zip', zipOf(packed)],
    ['tar.gz', gzipSync(tarOf(packed))],
  ] as const) {
    const entries = await gathered(work(bytes, { format, from: { after: 10 } }));
    expect(entries).toHaveLength(21);
    expect(entries[0]).toEqual({ number: 11, name: '10.jpg', body: body(10) });
    expect(entries.at(-1)).toMatchObject({ number: 31, problem: { code: 'refused_entry' } });
  }
});

it('throws what is wrong with all of it, and what its source throws', async () => {
  const cut = work(zipOf(files).subarray(0, -100));
  await expect(gathered(cut)).rejects.toMatchObject({ code: 'damaged_archive' });
  const failing = work(zipOf(files), {
    source: { size: 5000, read: () => Promise.reject(new Error('the store is away')) },
  });
  await expect(gathered(failing)).rejects.toThrow('the store is away');
});

it('names the archive whose process ends each time', async () => {
  const deaths: number[] = [];
  const killed = work(zipOf(files));
  const source: Unpacking['source'] = {
    size: killed.source.size,
    async read() {
      const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
      for (const pid of children.trim().split(' ').map(Number)) {
        deaths.push(pid);
        process.kill(pid, 'SIGSEGV');
      }
      return new Promise(() => {});
    },
  };
  await expect(gathered({ ...killed, source })).rejects.toMatchObject({
    code: 'poisonous_item',
    message: expect.stringContaining('pictures.zip'),
  });
  expect(new Set(deaths).size).toBe(3);
}, 60_000);
