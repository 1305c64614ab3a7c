import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AV_DISPOSITION_DEFAULT } from 'node-av/constants';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../testing/bytes-source.ts';
import { readBars } from '../testing/film/bars.ts';
import { type FilmOptions, makeFilm } from '../testing/film/film.ts';
import { remux } from '../testing/film/remux.ts';
import { openVideo, type VideoFrame } from './reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'clocks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const limits = { pixels: 4e6, seconds: 3600 };
const FRAMES = 75;

function film(name: string, options: FilmOptions = {}): string {
  const path = join(folder, name);
  return makeFilm(path, [{ picture: { seed: 4 }, frames: FRAMES }], { numbered: true, gop: 25, ...options })
    .path;
}

function seen(frame: VideoFrame) {
  const { width, height, y } = frame.small();
  return { at: frame.at, number: readBars({ width, height, channels: 1, data: y }), damaged: frame.damaged };
}

function read(file: Buffer, from = 0, keys = false) {
  const reader = openVideo(bytesSource(file), limits);
  try {
    const frames = Array.from(keys ? reader.keyFrames(from) : reader.frames(from), seen);
    return { frames, info: reader.info, lost: reader.lost, cutOff: reader.cutOff };
  } finally {
    reader.close();
  }
}

const counted = Array.from({ length: FRAMES }, (_, n) => n);

describe('a clock that starts anew', () => {
  it.each([
    ['5000 s, then 0', ['5000', '0']],
    ['0, then 5000 s', ['0', '5000']],
    ['the same again', ['10', '10']],
  ])('is counted on, and refuses nothing: %s', (_, [first, second]) => {
    for (const codec of ['libx264', 'mpeg2video'] as const) {
      const parts = [first!, second!].map((offset, n) =>
        readFileSync(film(`${n}.ts`, { codec, muxer: { output_ts_offset: offset } })),
      );
      const { frames, info, cutOff } = read(Buffer.concat(parts));
      expect(frames.map(({ number }) => number)).toEqual([...counted, ...counted]);
      for (const [n, { at }] of frames.entries()) expect(Math.abs(at - n / 25)).toBeLessThan(0.13);
      expect(cutOff).toBeUndefined();
      expect(info.seconds === null || Math.abs(info.seconds - 6) < 0.5).toBe(true);
      // From a place in the second part it goes on in the same way.
      const later = read(Buffer.concat(parts), 4).frames;
      expect(later).toEqual(frames.slice(-later.length));
      expect(later.length).toBeGreaterThanOrEqual(50);
    }
  });
});

it('a clock that passes the end of its 33 bits goes on', () => {
  const { frames, info } = read(readFileSync(film('wrap.ts', { muxer: { output_ts_offset: '95441' } })));
  for (const [n, { at, number }] of frames.entries()) {
    expect(number).toBe(n);
    expect(at).toBeCloseTo(n / 25, 2);
  }
  expect(frames.length).toBe(FRAMES);
  expect(info.seconds).toBeCloseTo(3, 1);
});

describe('a clock that begins elsewhere', () => {
  it.each(['mkv', 'webm', 'mp4', 'mov', 'ts', 'mpg', 'flv'])(
    'gives the length of the film: %s',
    (container) => {
      const codec = { webm: 'libvpx-vp9', mpg: 'mpeg2video' } as const;
      const path = film(`late.${container}`, {
        codec: codec[container as keyof typeof codec] ?? 'libx264',
        muxer: { output_ts_offset: '5' },
      });
      const { frames, info, cutOff } = read(readFileSync(path));
      expect(cutOff).toBeUndefined();
      expect(info.seconds).toBeCloseTo(3, 0);
      expect(frames[0]!.at).toBeCloseTo(0, 1);
      expect(frames.length).toBe(FRAMES);
    },
  );
});

describe('pictures hidden by an edit list', () => {
  it.each([false, true])('are not shown and no damage (key frames alone: %s)', (keys) => {
    const whole = film('whole.mp4');
    const path = join(folder, 'trimmed.mp4');
    const options = { pts: 'PTS-1.2/TB', dts: 'DTS-1.2/TB' };
    remux(path, [{ file: whole, filter: { name: 'setts', options } }]);
    const { frames, lost } = read(readFileSync(path), 0, keys);
    expect(frames.map(({ number }) => number)).toEqual(keys ? [50] : counted.slice(30));
    expect(frames.reduce((sum, { damaged }) => sum + damaged, lost)).toBe(0);
  });
});

describe('a still picture that is a stream like others', () => {
  it.each([0, AV_DISPOSITION_DEFAULT])('does not win over the film (disposition %i)', (disposition) => {
    const still = makeFilm(join(folder, 'still.mkv'), [{ picture: { seed: 1 }, frames: 1 }], {
      codec: 'mjpeg',
      width: 640,
      height: 640,
    }).path;
    const path = join(folder, 'still-and-film.mkv');
    remux(path, [
      { file: still, disposition: AV_DISPOSITION_DEFAULT },
      { file: film('film.mkv'), disposition: disposition as typeof AV_DISPOSITION_DEFAULT },
    ]);
    const { frames, info } = read(readFileSync(path));
    expect(info).toMatchObject({ width: 320, height: 180, videoStreams: 1 });
    expect(frames.length).toBe(FRAMES);
  });
});
