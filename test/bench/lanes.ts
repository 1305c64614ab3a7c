/**
 * What it costs to open a lane: `npm run bench -- lanes`. Time until it is open, processor time by then, and the memory that it has: the
 * decoder's, and recognition's with the default model; with compiled code kept and without, by turns.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { probeVideo } from '@darkroom/media/process/child.ts';
import { type Config, loadConfig } from '@darkroom/platform';
import { openRecogniser } from '@darkroom/recognition/lane/recogniser.ts';
import { samplesFolder } from '../../apps/local/stack/samples.ts';
import { cpuSeconds, peakMemory } from './measure/cpu.ts';
import { type Figure, machine, report } from './measure/report.ts';
import { median } from './measure/statistics.ts';

const help = `npm run bench -- lanes [options]

  --rounds N   times that each is opened (9)`;

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, help: { type: 'boolean', default: false } },
});
if (options.help) console.log(help);
else await bench();

/** Of a lane that has just opened. */
interface Opened {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly bytes: number;
}
type Lanes = Pick<Config, 'recognition' | 'media' | 'limits'> & { readonly lane: Partial<Config['lane']> };

async function bench(): Promise<void> {
  const at = machine();
  const config = loadConfig({ DATABASE_URL: 'postgres://not-used' });
  const { sandbox } = config.lane;
  const kinds = { decoder: openDecoder, recognition: openRecognition };
  const figures: Figure[] = [];
  const raw: Record<string, object> = { options };
  for (const [name, open] of Object.entries(kinds)) {
    const kept: Opened[] = [];
    const anew: Opened[] = [];
    // The first with its code kept has it compiled.
    for (let round = 0; round <= Number(options.rounds); round++) {
      anew.push(await open({ ...config, lane: { sandbox } }));
      kept.push(await open(config));
    }
    raw[name] = { kept, anew };
    for (const [how, all] of [
      ['', kept],
      [', nothing kept', anew],
    ] as const) {
      const of = (value: (opened: Opened) => number) => median(all.slice(1).map(value));
      figures.push(
        { name: `${name}${how}: open after`, value: of((one) => one.wallSeconds), unit: 's' },
        { name: `${name}${how}: processor time`, value: of((one) => one.cpuSeconds), unit: 's' },
        { name: `${name}${how}: memory`, value: of((one) => one.bytes) / 2 ** 20, unit: 'MiB' },
      );
    }
  }
  await report('lanes', at, figures, raw);
}

async function opened(pid: number, began: number): Promise<Opened> {
  const wallSeconds = (performance.now() - began) / 1000;
  const { lane } = await cpuSeconds({ lane: pid });
  return { wallSeconds, cpuSeconds: lane, bytes: (await peakMemory(pid)) ?? Number.NaN };
}

async function openDecoder({ media, limits, lane }: Lanes): Promise<Opened> {
  await using file = await open(join(samplesFolder, 'film.mp4'));
  const { size } = await file.stat();
  let found: Promise<Opened> | undefined;
  const source = {
    size,
    async read(offset: number, length: number) {
      // It does nothing before it was looked at.
      await found;
      const bytes = Buffer.alloc(Math.min(length, Math.max(0, size - offset)));
      await file.read(bytes, 0, bytes.length, offset);
      return bytes;
    },
  };
  const began = performance.now();
  await probeVideo(source, {
    limits: { ...media, ...lane, pixels: limits.videoPixels, seconds: limits.videoSeconds },
    signal: new AbortController().signal,
    onChild: (pid) => {
      found = opened(pid, began);
    },
  });
  if (found === undefined) throw new Error('The decoder was not opened.');
  return found;
}

async function openRecognition({ recognition, lane }: Lanes): Promise<Opened> {
  const recogniser = openRecogniser({ recognition, lane: { sandbox: 'auto', ...lane } });
  const began = performance.now();
  try {
    await recogniser.model();
    const [pid] = recogniser.pids;
    if (pid === undefined) throw new Error('No lane is open.');
    return await opened(pid, began);
  } finally {
    await recogniser.close();
  }
}
