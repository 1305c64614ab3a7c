/**
 * `mode=fast` against PySceneDetect: `npm run bench -- fast`. Films as archives have them, a key frame every two seconds wherever the cuts
 * lie (`scenecut=0`) and a cut every 13 to 17 s, in H.264, HEVC and VP9; how many of the cuts are found, and in how much of the time.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { FilmCodec } from '../../activities/media/testing/film/encode.ts';
import { type Change, makeFilm, type Shot } from '../../activities/media/testing/film/film.ts';
import { homeFolder } from '../../apps/local/home/layout.ts';
import { samplesFolder } from '../../apps/local/stack/samples.ts';
import { type Figure, machine, report, say } from './measure/report.ts';
import { match, rates } from './scenes/match.ts';
import { defaultPython, howToInstall, isThere, pySceneDetect } from './scenes/pyscenedetect.ts';
import { scenePass } from './video/pass.ts';

const help = `npm run bench -- fast [options]

  --python FILE   Python that has scenedetect (${defaultPython})
  --shots N       shots of the H.264 film; the others have half as many (10)

${howToInstall}`;

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: defaultPython },
    shots: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
});
/** PySceneDetect's seconds over ours, at least; so ours over its at most. */
const timeRatio = 1 / 3;
const f1Loss = 0.02;
const framesPerSecond = 25;
const photos = ['astronaut.jpg', 'cat.jpg', 'espresso.jpg', 'rocket.jpg', 'deep-field.jpg'];

if (options.help) console.log(help);
else if (!isThere(options.python)) {
  console.error(`${options.python} is not there.\n\n${howToInstall}`);
  process.exitCode = 1;
} else await bench();

async function bench(): Promise<void> {
  const at = machine();
  const shots = Number(options.shots);
  const films = [
    { codec: 'libx264', name: 'H.264', ending: 'mp4', shots },
    { codec: 'libx265', name: 'HEVC', ending: 'mp4', shots: shots >> 1 },
    { codec: 'libvpx-vp9', name: 'VP9', ending: 'webm', shots: shots >> 1 },
  ] as const;
  const figures: Figure[] = [];
  const raw: Record<string, object> = { options };
  for (const film of films) {
    const { path, changes } = await archiveFilm(film);
    const theirs = await pySceneDetect(options.python, path);
    const ours = await scenePass(path, { mode: 'fast' });
    const f1 = (starts: readonly number[]): number =>
      rates(match(changes, starts.map(numberOf), numberOf)).f1;
    const loss = f1(theirs.starts) - f1(ours.starts);
    raw[film.name] = { changes, theirs, ours };
    say(
      `${film.name}: ${changes.length} cuts; fast F1 ${f1(ours.starts).toFixed(3)} in ${ours.seconds.toFixed(1)} s, ` +
        `PySceneDetect ${f1(theirs.starts).toFixed(3)} in ${theirs.seconds.toFixed(1)} s`,
    );
    figures.push(
      {
        name: `${film.name}: fast / PySceneDetect, time`,
        value: ours.seconds / theirs.seconds,
        unit: '',
        target: timeRatio,
      },
      { name: `${film.name}: F1 lost against PySceneDetect`, value: loss, unit: '', target: f1Loss },
    );
  }
  await report('fast', at, figures, raw);
}

function numberOf(seconds: number): number {
  return Math.round(seconds * framesPerSecond);
}

async function archiveFilm(film: {
  codec: FilmCodec;
  name: string;
  ending: string;
  shots: number;
}): Promise<{ path: string; changes: readonly Change[] }> {
  const folder = join(homeFolder(), 'bench', 'films');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `archive-${film.codec}-${film.shots}.${film.ending}`);
  if (!existsSync(path)) {
    say(`making ${film.shots} shots in ${film.name} (once, some minutes)`);
    const unfinished = join(folder, `unfinished.${film.ending}`);
    const { changes } = makeFilm(unfinished, shotsOf(film.shots), {
      width: 1280,
      height: 720,
      codec: film.codec,
      gop: 2 * framesPerSecond,
      grain: 2,
      ...(film.codec === 'libvpx-vp9' && { encoder: { deadline: 'realtime', 'cpu-used': '8' } }),
      ...(film.codec !== 'libvpx-vp9' && { encoder: { preset: 'veryfast' } }),
    });
    await writeFile(`${path}.json`, JSON.stringify(changes));
    await rename(unfinished, path);
  }
  return { path, changes: JSON.parse(await readFile(`${path}.json`, 'utf8')) as Change[] };
}

function shotsOf(count: number): Shot[] {
  return Array.from({ length: count }, (_, n) => ({
    picture: n % 2 === 0 ? { image: join(samplesFolder, photos[(n >> 1) % photos.length]!) } : { seed: n },
    frames: 325 + ((n * 37) % 100),
    from: { x: 0.05 * (n % 3), y: 0.1, size: 0.75 },
    to: { x: 0.2, y: 0.05 * (n % 3), size: 0.6 + 0.05 * (n % 4) },
    begins: { kind: 'cut' },
  }));
}
