/** The film of the benchmark: photographs and drawn pictures under a moving camera, a minute of it over and over. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFilm, type Shot } from '@darkroom/media/testing/film/film.ts';
import { homeFolder } from '../../../apps/local/home/layout.ts';
import { samplesFolder } from '../../../apps/local/stack/samples.ts';
import { say } from '../measure/report.ts';

const photos = ['astronaut.jpg', 'cat.jpg', 'espresso.jpg', 'rocket.jpg', 'four.jpg', 'deep-field.jpg'];
const minute = 1500;

/** Twelve shots of three to seven seconds: cuts, a dissolve, a fade. */
function shots(): Shot[] {
  const lengths = [100, 150, 75, 125, 175, 110, 140, 90, 160, 105, 130, 140];
  return lengths.map((frames, n) => ({
    picture:
      n % 3 === 2 ? { seed: n, objects: 4 } : { image: join(samplesFolder, photos[n % photos.length]!) },
    frames,
    from: { x: 0.05 * (n % 4), y: 0.1, size: 0.75 },
    to: { x: 0.2 - 0.05 * (n % 3), y: 0.05 * (n % 3), size: 0.6 + 0.05 * (n % 5) },
    begins:
      n === 4 ? { kind: 'dissolve', frames: 20 } : n === 8 ? { kind: 'fade', frames: 24 } : { kind: 'cut' },
  }));
}

/** The minute at 1080p, 25 frames a second, H.264 with B-frames; made once and kept. */
async function oneMinute(folder: string): Promise<string> {
  const path = join(folder, 'minute-1080p.mp4');
  if (existsSync(path)) return path;
  say('making a minute of film, 1080p (once, some minutes)');
  const unfinished = join(folder, 'unfinished.mp4');
  makeFilm(unfinished, shots(), {
    width: 1920,
    height: 1080,
    grain: 2,
    gop: 50,
    bFrames: 2,
    encoder: { preset: 'veryfast', crf: '23' },
  });
  await rename(unfinished, path);
  return path;
}

/** 2160p at 60 pictures a second with a cut every 2.5 s, so many seconds of it, a multiple of those; made once and kept. Returns its path. */
export async function slowFilm(seconds: number): Promise<string> {
  const folder = join(homeFolder(), 'bench', 'films');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${seconds}-seconds-2160p60.mp4`);
  if (existsSync(path)) return path;
  say('making a film of 2160p60 (once, some minutes)');
  const one = join(folder, `${process.pid}.mp4`);
  const view = { x: 0.05, y: 0.1, size: 0.75 };
  const picture = { image: join(samplesFolder, 'four.jpg') };
  const shot: Shot = {
    picture,
    frames: 150,
    from: view,
    to: { ...view, x: 0.2, size: 0.5 },
    begins: { kind: 'cut' },
  };
  makeFilm(one, [shot], {
    width: 3840,
    height: 2160,
    rate: { num: 60, den: 1 },
    grain: 2,
    gop: 120,
    bFrames: 2,
    encoder: { preset: 'veryfast', crf: '20' },
  });
  await repeat(one, Math.ceil(seconds / 2.5), path);
  await rm(one);
  return path;
}

/** A film of so many minutes; `ffmpeg` joins the minutes without encoding them anew. */
export async function film(minutes: number): Promise<{ path: string; seconds: number }> {
  const folder = join(homeFolder(), 'bench', 'films');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${minutes}-minutes-1080p.mp4`);
  if (!existsSync(path)) {
    const one = await oneMinute(folder);
    await repeat(one, minutes, path);
  }
  return { path, seconds: (minute * minutes) / 25 };
}

/** Joins a film to itself, so many of it. */
async function repeat(film: string, times: number, path: string): Promise<void> {
  const loop = ['-stream_loop', String(times - 1), '-i', film, '-c', 'copy', '-f', 'mp4', `${path}.part`];
  await promisify(execFile)('ffmpeg', ['-v', 'error', '-y', ...loop]);
  await rename(`${path}.part`, path);
}
