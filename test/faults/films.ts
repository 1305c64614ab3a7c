/** The film that the fault tests work on: the same at every run, cheap to decode, with many scenes and a long one. */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFilm, type Shot } from '@darkroom/media/testing/film/film.ts';
import { samplesFolder } from '../../apps/local/stack/samples.ts';

const stills = ['astronaut.jpg', 'cat.jpg', 'espresso.jpg', 'rocket.jpg'];

/** Shots of a good second each, and in their midst one of 70 s without a cut. */
function shots(count: number): Shot[] {
  return Array.from({ length: count }, (_, n): Shot => {
    const long = n === count >> 1;
    return {
      picture: n % 4 === 3 ? { seed: n } : { image: join(samplesFolder, stills[n % stills.length]!) },
      frames: long ? 700 : 12 + (n % 5),
      from: { x: 0.03 * (n % 3), y: 0.02, size: 0.8 },
      to: { x: 0.1, y: 0.05 * (n % 3), size: 0.75 },
      begins: { kind: 'cut' },
    };
  });
}

/** A film of `count` shots, 10 frames a second, 320 × 180, with B-frames; made once and kept. Returns its path. */
export async function faultFilm(count: number): Promise<string> {
  const folder = join(import.meta.dirname, '../../.darkroom/test/films');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `faults-${count}.mp4`);
  if (!existsSync(path)) {
    const unfinished = join(folder, `${process.pid}.mp4`);
    makeFilm(unfinished, shots(count), {
      rate: { num: 10, den: 1 },
      gop: 20,
      grain: 2,
      encoder: { preset: 'veryfast' },
    });
    await rename(unfinished, path);
  }
  return path;
}
