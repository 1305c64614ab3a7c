import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fileSource } from '../testing/file-source.ts';
import { makeFilm } from '../testing/film/film.ts';
import { openVideo } from './reader.ts';
import { decoderThreads } from './threads.ts';

const MiB = 2 ** 20;
const memory = { memoryBytes: 2048 * MiB, keptBytes: 256 * MiB };
/** 4:2:0. */
const picture = (width: number, height: number, bytesOfSample = 1) => ({
  pixels: width * height,
  bytes: width * height * 1.5 * bytesOfSample,
});

describe('the threads of a decoder', () => {
  it.each([
    ['1080p on 64 cores', picture(1920, 1080), memory, 64, 0],
    ['4K of 10 bits on 16', picture(3840, 2160, 2), memory, 16, 0],
    ['8K on 16', picture(7680, 4320), memory, 16, 0],
    ['8K of 10 bits on 16', picture(7680, 4320, 2), memory, 16, 3],
    ['8K of 10 bits on two', picture(7680, 4320, 2), memory, 2, 0],
    [
      '8K of 10 bits, twice the memory',
      picture(7680, 4320, 2),
      { ...memory, memoryBytes: 5000 * MiB },
      16,
      0,
    ],
    ['1080p in 512 MiB', picture(1920, 1080), { ...memory, memoryBytes: 512 * MiB }, 16, 14],
    ['1080p in next to nothing', picture(1920, 1080), { ...memory, memoryBytes: 64 * MiB }, 16, 1],
    ['anything on one core', picture(1920, 1080), { ...memory, memoryBytes: 64 * MiB }, 1, 0],
  ])('for %s', (_what, size, limits, cores, threads) => {
    expect(decoderThreads(size, limits, cores)).toBe(threads);
  });
});

describe('a reader', () => {
  const folder = mkdtempSync(join(tmpdir(), 'threads-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** FFmpeg names the threads of its decoders. */
  const decoding = () =>
    readdirSync('/proc/self/task').filter((id) =>
      readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('av:h264'),
    ).length;

  it.each(['frames', 'keyFrames'] as const)('has as few threads as its memory allows, for %s', (kind) => {
    const { path } = makeFilm(join(folder, `${kind}.mp4`), [{ picture: { seed: 1 }, frames: 30 }]);
    using source = fileSource(path);
    const threads = (memoryBytes: number): number => {
      const reader = openVideo(source, { pixels: 1e7, seconds: 100, memoryBytes, keptBytes: 1e6 });
      try {
        for (const _frame of reader[kind](0)) return decoding();
        throw new Error('It has frames.');
      } finally {
        reader.close();
      }
    };
    expect(threads(1e6)).toBe(0);
    expect(threads(160e6)).toBeGreaterThanOrEqual(2);
  });
});
