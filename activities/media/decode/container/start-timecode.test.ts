import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fileSource } from '../../testing/file-source.ts';
import { type FilmOptions, makeFilm } from '../../testing/film/film.ts';
import { openVideo } from '../reader.ts';
import { timecodeIn } from './start-timecode.ts';

const folder = mkdtempSync(join(tmpdir(), 'timecode-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function timecodeOf(name: string, options: FilmOptions): string | undefined {
  const { path } = makeFilm(join(folder, name), [{ picture: { seed: 1 }, frames: 12 }], options);
  using source = fileSource(path);
  const reader = openVideo(source, { pixels: 1e7, seconds: 100 });
  try {
    // What was read of it to know is there to be decoded.
    expect([...reader.frames(0)].length).toBe(12);
    return reader.info.timecode;
  } finally {
    reader.close();
  }
}
const ntsc = { num: 30_000, den: 1001 };

describe('the time code of a source', () => {
  it.each([
    ['track.mov', { metadata: { timecode: '10:11:12:13' } }, '10:11:12:13'],
    ['dropping.mov', { rate: ntsc, metadata: { timecode: '01:00:00;02' } }, '01:00:00;02'],
    ['counting.mov', { rate: ntsc, metadata: { timecode: '01:00:00:02' } }, '01:00:00:02'],
    ['tag.mkv', { metadata: { timecode: '10:11:12:13' } }, '10:11:12:13'],
    ['nonsense.mkv', { metadata: { timecode: '10:11:12:25' } }, undefined],
    ['none.mp4', {}, undefined],
    ['group.ts', { codec: 'mpeg2video', encoder: { gop_timecode: '09:58:00:00' } }, '09:58:00:00'],
    ['no-group.ts', { codec: 'mpeg2video' }, undefined],
  ] satisfies [string, FilmOptions, string | undefined][])('of %s', (name, options, timecode) => {
    expect(timecodeOf(name, options)).toBe(timecode);
  });

  it('is read from the header of a group of pictures', () => {
    const group = (bits: bigint) => {
      const bytes = Buffer.from([0, 0, 1, 0xb3, 7, 0, 0, 1, 0xb8, 0, 0, 0, 0]);
      bytes.writeUInt32BE(Number(bits << 7n), 9);
      return bytes;
    };
    const bits = (1n << 24n) | (23n << 19n) | (59n << 13n) | (1n << 12n) | (58n << 6n) | 29n;
    expect(timecodeIn(group(bits))).toBe('23:59:58;29');
    expect(timecodeIn(group(1n << 12n))).toBeUndefined();
    expect(timecodeIn(group(bits).subarray(0, 11))).toBeUndefined();
    expect(timecodeIn(Buffer.alloc(0))).toBeUndefined();
  });
});
