/** `npm run bench -- scenes --real`: real footage that no threshold was chosen on, and films derived from it. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openVideo } from '../../../../activities/media/decode/reader.ts';
import { SceneDetector } from '../../../../activities/media/scenes/scenes.ts';
import { fileSource } from '../../../../activities/media/testing/file-source.ts';
import { type Figure, machine, report, say } from '../../measure/report.ts';
import { rates } from '../match.ts';
import { fetchFilm } from './fetch.ts';
import { readLabels, truthOf } from './labels.ts';
import { type Peer, peerStarts, peers } from './peers.ts';
import { type Score, score, spaced, total } from './score.ts';
import { type Footage, keeping, paces, type VariantFilm, VariantMaker } from './variants.ts';

export interface RealOptions {
  readonly python: string;
  readonly threshold: number;
  readonly films: string;
  /** Without the peers, or without the variants, which take minutes. */
  readonly peers: boolean;
  readonly variants: boolean;
}

/** Seconds: the minimum scene length of all detectors. The shortest labelled scene lasts 0.28 s. */
const leastScene = 0.2;
/** Films whose cuts the variants are to keep: those with cuts, but for half an hour of takes. */
const varied = ['music', 'sintel', 'bunny', 'dialogue', 'city', 'ocean'];
const stills: readonly (readonly [string, number])[] = [
  ['bunny', 100],
  ['bunny', 400],
  ['bunny', 900],
  ['sintel', 800],
  ['music', 1210],
];

/** First frames of thirteen shots of the music video, such that no two neighbours are of one place. */
const wiped = [132, 371, 1201, 456, 1279, 301, 1340, 1554, 1815, 613, 1108, 3077, 3383];

type Detector = 'Darkroom' | Peer;

export async function realFootage(options: RealOptions): Promise<void> {
  const at = machine();
  const folder = join(options.films, 'real');
  await mkdir(folder, { recursive: true });
  const footage: Footage[] = [];
  for (const film of await readLabels())
    try {
      footage.push({ film, path: await fetchFilm(film, folder, options.python) });
    } catch (error) {
      say(`without ${film.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  const detectors: Detector[] = ['Darkroom', ...(options.peers ? peers : [])];
  const clean = new Map<Detector, Map<string, Score>>(detectors.map((name) => [name, new Map()]));
  for (const { film, path } of footage) {
    const least = Math.round(leastScene * film.rate);
    const own = find(path, options.threshold);
    for (const name of detectors) {
      const starts =
        name === 'Darkroom'
          ? own.starts
          : await peerStarts(options.python, name, path, least, (at) => nearest(own.times, at));
      const result = score(truthOf(film), spaced(starts, least));
      clean.get(name)?.set(film.name, result);
      say(`${film.name.padEnd(10)} ${name.padEnd(10)} ${line(result)}`);
    }
  }
  const sums = new Map([...clean].map(([name, scores]) => [name, total([...scores.values()])] as const));
  for (const [name, sum] of sums) say(`all films   ${name.padEnd(10)} ${line(sum)}`);
  const figures = cleanFigures(sums);
  const films: { name: string; film: string; score: Score }[] = [];
  if (options.variants) {
    const maker = new VariantMaker(await ffmpegOf(options.python), folder);
    for (const variant of await variantsOf(maker, footage)) {
      const starts = spaced(find(variant.path, options.threshold).starts, 1);
      const result = score(variant.truth, starts);
      films.push({ name: variant.name, film: variant.film, score: result });
      say(`${variant.name.padEnd(10)} ${variant.film.padEnd(10)} ${line(result)}`);
    }
    figures.push(...variantFigures(films, clean.get('Darkroom') ?? new Map<string, Score>()));
  }
  await report('scenes-real', at, figures, {
    options,
    footage: footage.map(({ film }) => film.name),
    clean: [...clean].map(([detector, scores]) => ({ detector, films: Object.fromEntries(scores) })),
    variants: films,
  });
}

/** Numbers of the pictures at which Darkroom says that a scene begins, of a gradual change the picture in its middle. */
function find(path: string, threshold: number): { starts: number[]; times: number[] } {
  using source = fileSource(path);
  const reader = openVideo(source, { pixels: 1e8, seconds: 1e5 });
  const detector = new SceneDetector({ threshold, gradual: true });
  const times: number[] = [];
  const starts: number[] = [];
  for (const frame of reader.frames(0)) {
    times.push(frame.at);
    for (const { at } of detector.push(frame.at, frame.small())) starts.push(at);
  }
  for (const { at } of detector.end()) starts.push(at);
  reader.close();
  return { starts: starts.map((at) => nearest(times, at)), times };
}

/** The number of the picture whose time is nearest. */
function nearest(times: readonly number[], at: number): number {
  const after = times.findIndex((time) => time >= at);
  if (after < 0) return times.length - 1;
  return after > 0 && at - times[after - 1]! < times[after]! - at ? after - 1 : after;
}

function line({ cuts, all, kinds, missed, wrong }: Score): string {
  const three = (tally: Score['cuts']) => {
    const { precision, recall, f1 } = rates(tally);
    return [precision, recall, f1].map((value) => value.toFixed(3)).join(' ');
  };
  const parts = Object.entries(kinds).flatMap(([kind, { of, found }]) =>
    of > 0 ? [`${kind} ${found}/${of}`] : [],
  );
  const where = [
    ...(missed.length > 0 ? [`missed ${missed.join(' ')}`] : []),
    ...(wrong.length > 0 ? [`wrong ${wrong.slice(0, 20).join(' ')}${wrong.length > 20 ? ' …' : ''}`] : []),
  ];
  return [`cuts ${three(cuts)}  all ${three(all)}`, parts.join(', '), ...where].join('; ');
}

/** Precision, recall and F1 of each, and ours beside the others'. */
function cleanFigures(sums: ReadonlyMap<Detector, Score>): Figure[] {
  const figures: Figure[] = [];
  const ours = sums.get('Darkroom');
  if (!ours) return figures;
  const own = rates(ours.cuts);
  for (const [name, { cuts, all, kinds }] of sums) {
    const { precision, recall, f1 } = rates(cuts);
    figures.push(
      {
        name: `${name}: cuts, precision`,
        value: precision,
        unit: '',
        ...(name === 'Darkroom' && { least: 0.99 }),
      },
      { name: `${name}: cuts, recall`, value: recall, unit: '' },
      { name: `${name}: cuts, F1`, value: f1, unit: '' },
      { name: `${name}: all kinds, F1`, value: rates(all).f1, unit: '' },
    );
    for (const kind of ['gap', 'fade', 'dissolve'] as const)
      figures.push({
        name: `${name}: ${kind}s, recall`,
        value: kinds[kind].found / kinds[kind].of,
        unit: '',
      });
    if (name !== 'Darkroom')
      figures.push({
        name: `${name}'s F1 of cuts less ours`,
        value: f1 - own.f1,
        unit: '',
        target: name === 'TransNetV2' ? 0.005 : 0,
      });
  }
  return figures;
}

async function variantsOf(maker: VariantMaker, footage: readonly Footage[]): Promise<VariantFilm[]> {
  const of = (name: string): Footage[] => footage.filter(({ film }) => film.name === name);
  const made: VariantFilm[] = [];
  const add = async (variant: Promise<VariantFilm>): Promise<void> => {
    made.push(await variant);
  };
  for (const name of keeping) for (const one of varied.flatMap(of)) await add(maker.keeping(name, one));
  for (const pace of paces)
    for (const one of [...varied, 'takes'].flatMap(of)) await add(maker.paced(pace, one));
  for (const one of ['motorway', 'dusk'].flatMap(of)) await add(maker.strobe(one));
  for (const [name, picture] of stills) for (const one of of(name)) await add(maker.slides(one, picture));
  for (const one of of('music')) await add(maker.wipes(one, wiped, '108:90:23:0'));
  return made;
}

function variantFigures(
  films: readonly { readonly name: string; readonly film: string; readonly score: Score }[],
  clean: ReadonlyMap<string, Score>,
): Figure[] {
  const of = (name: string) => films.filter((one) => one.name === name);
  const sumOf = (name: string): Score => total(of(name).map((one) => one.score));
  const same = (name: string): Score => total(of(name).flatMap(({ film }) => clean.get(film) ?? []));
  const figures: Figure[] = [];
  const lost = (name: string, target: number): void => {
    if (of(name).length === 0) return;
    const { cuts } = sumOf(name);
    figures.push(
      { name: `${name}: cuts asked for`, value: cuts.right + cuts.missed, unit: '' },
      { name: `${name}: cuts, precision`, value: rates(cuts).precision, unit: '' },
      {
        name: `${name}: recall of cuts, clean less this`,
        value: rates(same(name).cuts).recall - rates(cuts).recall,
        unit: '',
        target,
      },
    );
  };
  for (const name of keeping) lost(name, 0.02);
  for (const pace of paces) lost(`${pace} f/s`, 0.05);
  const strobe = sumOf('strobe');
  const slides = sumOf('slides');
  const { wipe } = sumOf('wipes').kinds;
  figures.push(
    { name: 'strobe: boundaries found in films without one', value: strobe.all.found, unit: '' },
    { name: 'slides: recall', value: rates(slides.cuts).recall, unit: '' },
    { name: 'slides: precision', value: rates(slides.cuts).precision, unit: '' },
    { name: 'wipes: recall', value: wipe.of === 0 ? 0 : wipe.found / wipe.of, unit: '' },
    { name: 'wipes: precision', value: rates(sumOf('wipes').all).precision, unit: '' },
  );
  return figures;
}

async function ffmpegOf(python: string): Promise<string> {
  const script = 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())';
  const { stdout } = await promisify(execFile)(python, ['-c', script]);
  return stdout.trim();
}
