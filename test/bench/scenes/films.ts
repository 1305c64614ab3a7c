/** The films that scene detection is measured on, made with cuts at known times: two halves that share no picture. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Change,
  type FilmOptions,
  makeFilm,
  type Shot,
} from '../../../activities/media/testing/film/film.ts';
import { type Picture, random, type View } from '../../../activities/media/testing/film/pictures.ts';

/** Thresholds are chosen on `tuning` and reported on `report`. */
export type Half = 'tuning' | 'report';

export interface TruthFilm {
  readonly name: string;
  readonly kind: FilmKind;
  readonly half: Half;
  readonly path: string;
  /** Seconds of each frame. */
  readonly times: readonly number[];
  readonly changes: readonly Change[];
}

/** Frames of a video file without a cut among them: the first, and the first that follows. */
export interface Run {
  readonly path: string;
  readonly first: number;
  readonly last: number;
  readonly half: Half;
}

export const drawnKinds = [
  'cuts',
  'dissolves',
  'fades',
  'flashes',
  'pans',
  'zooms',
  'shakes',
  'vfr',
  'dark',
  'mixed',
] as const;
export const footageKinds = [
  'footage: cuts',
  'footage: dissolves',
  'footage: fades',
  'footage: flashes',
  'footage: dark',
  'footage: vfr',
] as const;
export type FilmKind = (typeof drawnKinds)[number] | (typeof footageKinds)[number];

/** Frames; the shots of the footage are short. */
const longestFootageDissolve = 20;

type Begins = NonNullable<Shot['begins']>;
type Dice = ReturnType<typeof dice>;

/** Makes, or finds in `folder`, the film of a kind and half; takes of it, numbered from 1, differ in all but that. */
export async function filmOf(
  folder: string,
  kind: FilmKind,
  half: Half,
  sources: { photos: readonly string[]; footage: readonly Run[] },
  shots: number,
  take: number,
): Promise<TruthFilm> {
  const name = `${kind.replace(/[^a-z]+/g, '-')}-${half}${take > 1 ? `-${take}` : ''}`;
  const path = join(folder, `${name}.mp4`);
  const truth = join(folder, `${name}.json`);
  if (!existsSync(truth)) {
    await mkdir(folder, { recursive: true });
    const seed =
      1000 * [...drawnKinds, ...footageKinds].indexOf(kind) + (half === 'tuning' ? 1 : 600) + 50 * (take - 1);
    const roll = dice(seed);
    const pictures =
      half === 'tuning'
        ? sources.photos.filter((_, n) => n % 2 === 0)
        : sources.photos.filter((_, n) => n % 2 === 1);
    const runs = sources.footage.filter((run) => run.half === half);
    const list: Shot[] = [];
    let before: Run | undefined;
    while (list.length < shots) {
      const begins = list.length === 0 ? { kind: 'cut' as const } : beginning(kind, roll);
      if (!isFootage(kind)) {
        // Two views of one photo after another would be one scene to the eye.
        const last = list.at(-1)?.picture;
        const others = pictures.filter((photo) => !(last && 'image' in last && last.image === photo));
        list.push(drawnShot(kind, roll, others, seed + list.length, begins));
      } else {
        const { run, shot } = footageShot(kind, roll, runs, before, begins);
        list.push(shot);
        before = run;
      }
    }
    const film = makeFilm(
      path,
      list,
      settings(
        kind,
        roll,
        list.reduce((sum, shot) => sum + shot.frames, 0),
      ),
    );
    await writeFile(truth, JSON.stringify({ times: film.times, changes: film.changes }));
  }
  const { times, changes } = JSON.parse(await readFile(truth, 'utf8')) as Pick<
    TruthFilm,
    'times' | 'changes'
  >;
  return { name, kind, half, path, times, changes };
}

const isFootage = (kind: FilmKind): boolean => kind.startsWith('footage');

function dice(seed: number) {
  const next = random(seed);
  return {
    next,
    between: (low: number, high: number) => low + (high - low) * next(),
    whole: (low: number, high: number) => low + Math.floor((high - low + 1) * next()),
    one: <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!,
  };
}

function beginning(kind: FilmKind, roll: Dice): Begins {
  const plain = kind.replace('footage: ', '');
  const type =
    plain === 'dissolves'
      ? 'dissolve'
      : plain === 'fades'
        ? 'fade'
        : plain === 'mixed'
          ? roll.one(['cut', 'cut', 'dissolve', 'fade'] as const)
          : 'cut';
  if (type === 'cut') return { kind: 'cut' };
  const frames = roll.whole(8, plain === kind ? 36 : longestFootageDissolve);
  return type === 'dissolve'
    ? { kind: 'dissolve', frames }
    : { kind: 'fade', frames, through: roll.one(['black', 'black', 'white']) };
}

function drawnShot(
  kind: FilmKind,
  roll: Dice,
  photos: readonly string[],
  seed: number,
  begins: Begins,
): Shot {
  const frames = roll.whole(40, 80);
  const picture: Picture =
    roll.next() < 0.6 ? { image: roll.one(photos) } : { seed: 31 * seed, objects: roll.whole(0, 4) };
  const movement =
    kind === 'mixed' ? roll.one(['cuts', 'pans', 'zooms', 'shakes', 'flashes'] as const) : kind;
  const view = (size: number): View => ({ x: roll.between(0, 1 - size), y: roll.between(0, 1 - size), size });
  const rest = view(roll.between(0.35, 0.6));
  const shot: Shot = { picture, frames, begins, from: rest, to: drift(rest, roll, 0.06) };
  switch (movement) {
    case 'pans': {
      const size = roll.between(0.3, 0.5);
      const leftward = roll.next() < 0.5;
      const edge = { x: 0, y: roll.between(0, 1 - size), size };
      const other = { x: 1 - size, y: roll.between(0, 1 - size), size };
      return { ...shot, from: leftward ? other : edge, to: leftward ? edge : other };
    }
    case 'zooms': {
      const near = view(roll.between(0.15, 0.3));
      const far = { x: 0, y: 0, size: 1 };
      return roll.next() < 0.5 ? { ...shot, from: near, to: far } : { ...shot, from: far, to: near };
    }
    case 'shakes':
      return { ...shot, shake: roll.between(0.01, 0.04) };
    case 'flashes':
      return { ...shot, flashes: flashes(frames, roll) };
    case 'dark':
      return { ...shot, brightness: roll.between(0.07, 0.2) };
    default:
      return shot;
  }
}

function footageShot(
  kind: FilmKind,
  roll: Dice,
  runs: readonly Run[],
  before: Run | undefined,
  begins: Begins,
) {
  // In a dissolve it is seen before and after its time as well.
  const margin = kind === 'footage: dissolves' ? longestFootageDissolve : 0;
  const run = roll.one(runs.filter((other) => other !== before && other.last - other.first > 2 * margin));
  const frames = Math.min(run.last - run.first - margin, roll.whole(30, 60));
  const skip = roll.whole(run.first, run.last - frames - margin);
  const shot: Shot = { picture: { clip: run.path, skip }, frames, begins };
  if (kind === 'footage: flashes') return { run, shot: { ...shot, flashes: flashes(frames, roll) } };
  if (kind === 'footage: dark') return { run, shot: { ...shot, brightness: roll.between(0.1, 0.25) } };
  return { run, shot };
}

const flashes = (frames: number, roll: Dice) =>
  Array.from({ length: roll.whole(1, 2) }, (_, n) => ({
    frame: roll.whole(8, 14) + n * (frames >> 1),
    frames: roll.whole(1, 4),
  }));

function drift(view: View, roll: Dice, far: number): View {
  const inside = (value: number) => Math.min(1 - view.size, Math.max(0, value));
  return {
    x: inside(view.x + roll.between(-far, far)),
    y: inside(view.y + roll.between(-far, far)),
    size: view.size,
  };
}

function settings(kind: FilmKind, roll: Dice, frames: number): FilmOptions {
  const size = { width: 640, height: 360, gop: 250, scenecut: true };
  if (kind === 'dark' || kind === 'footage: dark') return { ...size, grain: 3 };
  if (kind !== 'vfr' && kind !== 'footage: vfr') return size;
  const times = [0];
  for (let n = 0; n < frames; n++) times.push(times[n]! + roll.one([1, 1, 2, 2, 2, 3, 5]) / 50);
  return { ...size, times };
}
