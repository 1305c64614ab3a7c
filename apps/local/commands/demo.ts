import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, parse, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import type { Job, Segment } from '@darkroom/contract';
import { Lanes } from '@darkroom/platform/lanes.ts';
import type { Command } from '../cli.ts';
import { findingsTable, jobLines, plainNews } from '../demo/report.ts';
import { Service } from '../demo/service.ts';
import { homeFolder } from '../home/layout.ts';
import { samplePhotos, samplesFolder, sampleVideos } from '../stack/samples.ts';
import { withStack } from '../stack/stopping.ts';
import type { RunningStack } from '../stack/supervisor.ts';
import { createTerminal, SetupError, type Terminal } from '../terminal.ts';
import { Timings } from '../timings.ts';

/** How long the samples may take; then something hangs. */
const patienceMilliseconds = 10 * 60_000;

/** `npm run demo`: the whole journey of some photos and a video, from nothing to nothing left running. */
export const demo: Command = {
  help: `npm run demo [-- options]

Brings the stack up in a folder of its own (.darkroom/demo), sends the samples to the API as a user would, shows
what each stage does, what was found, and stops everything again. Free ports are used where the usual ones are taken.

  --keep       stay up afterwards, to look around, until Ctrl-C
  --timings    tell at the end which step took how long
  --prepare    with DATABASE_URL: apply the migrations and make a first key there; with S3_ENDPOINT: make the
               buckets and put the samples there. Unasked neither is done`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        keep: { type: 'boolean', default: false },
        timings: { type: 'boolean', default: false },
        prepare: { type: 'boolean', default: false },
      },
    });
    const terminal = createTerminal();
    const timings = new Timings();
    const home = join(homeFolder(), 'demo');
    terminal.say(
      terminal.paint(
        'bold',
        'Darkroom: photos and a video go in over HTTP, what is on them comes out; a list of places on the sky, and their pictures do.',
      ),
    );
    terminal.say('Starting Postgres, S3 and Temporal, then the API and a worker.');
    const succeeded = await withStack(
      { home, ports: 'prefer', parts: 'all', terminal, timings, prepare: values.prepare },
      async (running, interrupted) => {
        terminal.say(`Ready in ${timings.seconds()} s.`);
        const signal = AbortSignal.any([interrupted, AbortSignal.timeout(patienceMilliseconds)]);
        const ok = await journey(running, terminal, timings, signal).catch((error: unknown) => {
          if (interrupted.aborted || !signal.aborted) throw error;
          throw new SetupError(
            `The samples were not done within ${patienceMilliseconds / 60_000} minutes. Logs: ${running.layout.logs}`,
          );
        });
        if (values.timings) for (const line of timings.table()) terminal.say(line);
        if (values.keep) {
          terminal.say('Ctrl-C stops it.');
          await once(interrupted, 'abort');
        }
        return ok;
      },
    );
    terminal.say('Everything is stopped, nothing is left running.');
    terminal.say(`To keep it up: ${terminal.paint('bold', 'npm start')}`);
    return succeeded || (values.keep && succeeded === undefined) ? 0 : 1;
  },
};

interface Task {
  readonly title: string;
  readonly id: string;
  job?: Job;
}

/** Returns whether every job succeeded. */
async function journey(
  running: RunningStack,
  terminal: Terminal,
  timings: Timings,
  signal: AbortSignal,
): Promise<boolean> {
  const { stack, layout } = running;
  if (stack.key === undefined) {
    throw new SetupError(
      'The demo has no key for your database. Run it with --prepare, or without DATABASE_URL.',
    );
  }
  const service = new Service(stack.api, stack.key);
  const tasks = await submit(service, terminal, signal);
  await timings.measure('samples', () =>
    follow(service, tasks, terminal, () => timings.mark('first finding'), signal),
  );

  const segments = (await Promise.all(tasks.map(({ id }) => service.segments(id, signal)))).flat();
  terminal.say('');
  for (const line of findingsTable(segments, terminal.paint)) terminal.say(line);
  terminal.say('');
  const pictures = join(layout.home, 'pictures');
  const saved = await savePictures(segments, pictures, signal);
  terminal.say(`${saved} annotated pictures: ${relative(process.cwd(), pictures)}`);
  for (const { title, id } of tasks) {
    const { storyboard } = (await service.analysis(id, signal)).links;
    if (storyboard === undefined) continue;
    const file = join(pictures, `${parse(title).name}-storyboard.jpg`);
    await download(storyboard, file, signal);
    terminal.say(`Storyboard of ${title}: ${relative(process.cwd(), file)}`);
  }
  await timings.measure('cutouts', () => cutSky(service, terminal, pictures, signal));
  const targets = await timings.measure('cutout job', () => cutTargets(service, terminal, pictures, signal));
  if (targets !== undefined) tasks.push(targets);
  terminal.say(`API reference:      ${stack.api}/docs`);
  for (const { title, job } of tasks) terminal.say(`In Temporal's UI:   ${job?.temporalUrl}  (${title})`);
  for (const { title, job } of tasks) {
    if (job?.problem)
      terminal.say(terminal.paint('red', `${title}: ${job.problem.title}. ${job.problem.next}`));
  }
  return tasks.every(({ job }) => job?.state === 'succeeded');
}

/** All photos as one task, one of them once more by itself, and the video. */
async function submit(service: Service, terminal: Terminal, signal: AbortSignal): Promise<Task[]> {
  const photos = await samplePhotos();
  const single = photos.find(({ name }) => name === 'cat.jpg') ?? photos[0];
  if (!single)
    throw new SetupError('There are no photos in apps/local/_samples. Restore the folder from git.');
  const many = { title: `${photos.length} photos`, id: await service.analyse('files', photos, signal) };
  terminal.say(`POST /analysis  ${photos.length} × files=@…   → ${many.id}`);
  const one = { title: `${single.name} alone`, id: await service.analyse('file', [single], signal) };
  terminal.say(`POST /analysis  file=@${single.name}  → ${one.id}`);
  const videos: Task[] = [];
  for (const video of await sampleVideos()) {
    const id = await service.analyse('file', [video], signal);
    terminal.say(`POST /analysis  file=@${video.name}  → ${id}`);
    videos.push({ title: video.name, id });
  }
  return [many, one, ...videos];
}

async function follow(
  service: Service,
  tasks: Task[],
  terminal: Terminal,
  found: () => void,
  signal: AbortSignal,
): Promise<void> {
  const block = terminal.block();
  const one = async (task: Task) => {
    for await (const job of service.follow(task.id, signal)) {
      const news = plainNews(task.title, task.job, job);
      task.job = job;
      if (job.progress.stages.some(({ name, done }) => name === 'recognise' && done > 0)) found();
      if (!terminal.live && news) terminal.say(news);
      block.draw(
        tasks.flatMap(({ title, job: known }) => (known ? jobLines(title, known, terminal.paint) : [])),
      );
    }
  };
  try {
    await Promise.all(tasks.map(one));
  } finally {
    block.done();
  }
}

/** Saves the annotated pictures under the names of their photos, a video's with the number of the scene; returns how many. */
async function savePictures(
  segments: readonly Segment[],
  folder: string,
  signal: AbortSignal,
): Promise<number> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const names = new Set<string>();
  for (const { filename, segment_id, scene, links } of segments) {
    if (!links.annotated) continue;
    const name = `${parse(filename).name}${scene === null ? '' : `-${segment_id}`}.jpg`;
    if (names.has(name)) continue;
    await download(links.annotated, join(folder, name), signal);
    names.add(name);
  }
  return names.size;
}

/** A colour picture of each survey of samples, and a FITS cutout of the first. */
async function cutSky(
  service: Service,
  terminal: Terminal,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const save = async (query: string, name: string): Promise<void> => {
    const { file, tiles, coverage } = await service.cutout(query, signal);
    const path = join(folder, name);
    await writeFile(path, file);
    terminal.say(`GET /v1/cutouts?${query}`);
    terminal.say(`  → ${relative(process.cwd(), path)}  (tiles ${tiles}, coverage ${coverage})`);
  };
  const surveys = await service.surveys(signal);
  for (const { name, example } of surveys)
    await save(
      `survey=${name}&ra=${example.ra}&dec=${example.dec}&size=3arcmin&format=png&scaleBar=true`,
      `${name}.png`,
    );
  const [first] = surveys;
  const band = first?.bands[0]?.name;
  if (first === undefined || band === undefined) return;
  const { name, example } = first;
  await save(
    `survey=${name}&ra=${example.ra}&dec=${example.dec}&size=1arcmin&bands=${band}`,
    `${name}-${band}.fits`,
  );
}

/** The sheet of the pictures of the job: so many side by side, pixels each way. */
const sheet = { columns: 20, cell: 64 };
/** Links that are read side by side. */
const readAtOnce = 8;

/** A list of positions as a job, and all its pictures on one. */
async function cutTargets(
  service: Service,
  terminal: Terminal,
  folder: string,
  signal: AbortSignal,
): Promise<Task | undefined> {
  const survey = (await service.surveys(signal)).findLast(({ bands }) => bands.length >= 3);
  if (survey === undefined) return undefined;
  const list = await readFile(join(samplesFolder, 'targets.csv'));
  const query = `survey=${survey.name}&size=${sheet.cell}px&format=png`;
  const id = await service.cutouts(query, list, signal);
  terminal.say(`POST /v1/cutouts?${query}  targets.csv  → ${id}`);
  const task: Task = { title: 'targets.csv', id };
  await follow(service, [task], terminal, () => {}, signal);
  const files: { path: string; url: string }[] = [];
  for await (const file of service.results(id, signal)) if (file.path.endsWith('.png')) files.push(file);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const lanes = new Lanes(readAtOnce);
  const pictures = await Promise.all(
    files.map(({ url }) =>
      lanes.run(async () => {
        const reply = await fetch(url, { signal });
        if (!reply.ok) throw new SetupError(`A cutout of the job was answered ${reply.status}.`);
        return Buffer.from(await reply.arrayBuffer());
      }),
    ),
  );
  const { contactSheet } = await import('@darkroom/sky/picture/file/sheet.ts');
  const path = join(folder, 'targets.png');
  await writeFile(path, await contactSheet(pictures, sheet));
  terminal.say(`${pictures.length} cutouts on one sheet: ${relative(process.cwd(), path)}`);
  return task;
}

async function download(link: string, file: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(link, { signal });
  if (!response.ok || !response.body)
    throw new SetupError(`The picture for ${file} was answered ${response.status}.`);
  await pipeline(Readable.from(response.body), createWriteStream(file));
}
