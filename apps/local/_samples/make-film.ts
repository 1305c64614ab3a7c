/**
 * Makes film.mp4 of the sample photographs, and tells where its shots begin: `node apps/local/_samples/make-film.ts`. The camera moves over
 * each of them; cuts, a dissolve, and fades through black and white lie at known times.
 */
import { join } from 'node:path';
import { makeFilm, type Shot } from '@darkroom/media/testing/film/film.ts';

const here = import.meta.dirname;
const photo = (name: string) => ({ image: join(here, name) });

/** Pans and zooms, as shares of the picture. */
const shots: readonly Shot[] = [
  {
    picture: photo('astronaut.jpg'),
    frames: 75,
    from: { x: 0, y: 0, size: 1 },
    to: { x: 0.15, y: 0.05, size: 0.7 },
  },
  {
    picture: photo('cat.jpg'),
    frames: 60,
    from: { x: 0.25, y: 0.1, size: 0.7 },
    to: { x: 0, y: 0, size: 1 },
    begins: { kind: 'cut' },
  },
  {
    picture: photo('espresso.jpg'),
    frames: 80,
    from: { x: 0, y: 0.1, size: 0.8 },
    to: { x: 0.2, y: 0.1, size: 0.8 },
    begins: { kind: 'dissolve', frames: 20 },
  },
  {
    picture: photo('rocket.jpg'),
    frames: 90,
    from: { x: 0, y: 0.25, size: 0.75 },
    to: { x: 0.25, y: 0, size: 0.75 },
    begins: { kind: 'fade', frames: 24 },
  },
  {
    picture: photo('four.jpg'),
    frames: 100,
    from: { x: 0, y: 0, size: 0.5 },
    to: { x: 0.5, y: 0.5, size: 0.5 },
    begins: { kind: 'cut' },
  },
  {
    picture: photo('deep-field.jpg'),
    frames: 75,
    from: { x: 0.3, y: 0.3, size: 0.4 },
    to: { x: 0, y: 0, size: 1 },
    begins: { kind: 'fade', frames: 16, through: 'white' },
  },
  {
    picture: photo('astronaut.jpg'),
    frames: 50,
    from: { x: 0.2, y: 0, size: 0.6 },
    begins: { kind: 'cut' },
  },
];

const film = makeFilm(join(here, 'film.mp4'), shots, {
  width: 1280,
  height: 720,
  grain: 2,
  codec: 'libx264',
  encoder: { preset: 'slow', crf: '27' },
  muxer: { movflags: 'faststart' },
});
for (const { kind, at } of film.changes) console.log(`${at.toFixed(2)} s  ${kind}`);
