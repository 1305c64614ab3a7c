/** Cutana over the same rows: its own processes, tiles as local files. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { fileSource, openImage } from '@darkroom/sky';
import { z } from 'zod';
import { pythonTools } from '../../harness/python.ts';
import { type MemoryPeak, watchMemory } from '../measure/memory.ts';
import { type Figure, type Measured, say } from '../measure/report.ts';
import { cutOf } from './pixels.ts';
import { catalogueOf, type Row, rowsOf } from './rows.ts';
import { fileOf, putTiles, theBand } from './sky.ts';

export interface PeerSpec {
  readonly rows: number;
  readonly tiles: number;
  readonly size: number;
  readonly stamp: number;
  readonly workers: number;
  /** Rows that each of its processes has, by turns. */
  readonly perProcess: readonly number[];
  readonly made: (path: string) => void;
}

/** One run of it. */
export interface PeerRun {
  readonly perProcess: number;
  /** From where it has its catalogue to its last file, and with the start of Python. */
  readonly seconds: number;
  readonly wholeSeconds: number;
  /** Processor seconds of all its processes. */
  readonly cpu: number;
  readonly memory: MemoryPeak;
}

/** Cutouts whose pixels are compared with ours. */
const compared = 50;
const limitMs = 3_600_000;

/** Undefined where there is no Python for it. Throws where it leaves cutouts out, or has other pixels. */
export async function measurePeer(spec: PeerSpec): Promise<(Measured & { runs: PeerRun[] }) | undefined> {
  const tools = await pythonTools('cutana');
  if (tools.python === undefined) {
    say(`without Cutana: ${tools.missing}`);
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), 'bench-cutana-'));
  try {
    await mkdir(join(folder, 'tiles'));
    await putTiles({ ...spec, bands: [theBand] }, spec.made, (name, bytes) =>
      writeFile(join(folder, 'tiles', name), bytes),
    );
    const files = Array.from({ length: spec.tiles }, (_, n) => join(folder, 'tiles', fileOf(n, theBand)));
    const rows = rowsOf(spec);
    // What its processes import is compiled once, and kept.
    await promisify(execFile)(tools.python, ['-c', 'import cutana, cutana.cutout_process']);
    const runs: PeerRun[] = [];
    for (const perProcess of spec.perProcess) {
      runs.push(await runPeer(tools.python, { ...spec, folder, files, rows, perProcess }));
      const { seconds, memory } = runs.at(-1)!;
      say(
        `Cutana, ${perProcess} rows a process: ${seconds.toFixed(1)} s, ${(memory.together / 2 ** 20).toFixed(0)} MiB`,
      );
    }
    return { figures: runs.flatMap((run) => figuresOf(spec, run)), raw: { runs }, runs };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function figuresOf({ rows, workers }: PeerSpec, run: PeerRun): Figure[] {
  const title = `Cutana, ${workers} workers, ${run.perProcess} rows a process`;
  return [
    { name: `${title}: cutouts`, value: rows / run.seconds, unit: '/s' },
    { name: `${title}: seconds`, value: run.seconds, unit: 's' },
    { name: `${title}: with the start of Python`, value: run.wholeSeconds, unit: 's' },
    { name: `${title}: processor seconds`, value: run.cpu, unit: 's' },
    { name: `${title}: peak memory, all its processes`, value: run.memory.together / 2 ** 20, unit: 'MiB' },
  ];
}

interface RunSpec extends Omit<PeerSpec, 'rows' | 'perProcess'> {
  readonly folder: string;
  readonly files: readonly string[];
  readonly rows: readonly Row[];
  readonly perProcess: number;
}

const answered = z.object({ seconds: z.number(), cpu: z.number(), status: z.literal('completed') });

async function runPeer(python: string, spec: RunSpec): Promise<PeerRun> {
  const { folder, files, rows, stamp, workers, perProcess } = spec;
  const catalogue = join(folder, 'catalogue.csv');
  await writeFile(catalogue, catalogueOf(rows, files, stamp));
  const output = join(folder, 'output');
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  const began = performance.now();
  const child = spawn(python, [join(import.meta.dirname, 'run_cutana.py')], {
    cwd: folder,
    // What its processes tell each other goes through files in there.
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  const memory = watchMemory([child.pid ?? 0]);
  const exited = once(child, 'exit');
  child.stdin.end(`${JSON.stringify({ catalogue, output, stamp, workers, perProcess, extension: 'SCI' })}\n`);
  const told = await text(child.stdout);
  const [code] = await exited;
  const wholeSeconds = (performance.now() - began) / 1000;
  const peak = await memory.stop();
  if (code !== 0) throw new Error(`Cutana ended with ${code}.`);
  const { seconds, cpu } = answered.parse(JSON.parse(told.trim().split('\n').at(-1) ?? ''));
  const written = (await readdir(output)).filter((name) => name.endsWith('.fits'));
  if (written.length !== rows.length)
    throw new Error(`Cutana wrote ${written.length} files for ${rows.length} rows.`);
  await requireEqualPixels(spec, output, written);
  await rm(output, { recursive: true });
  return { perProcess, seconds, wholeSeconds, cpu, memory: peak };
}

/**
 * Throws where a pixel of Cutana's differs from ours. Its first pixel is floor(x − size / 2) of the tile, ours ceil: what both have is compared.
 */
async function requireEqualPixels(
  { rows, files, stamp, size, tiles }: RunSpec,
  output: string,
  written: readonly string[],
): Promise<void> {
  const byId = new Map(written.map((name) => [/S\d{6}/.exec(name)?.[0], join(output, name)]));
  const step = Math.max(1, Math.floor(rows.length / compared));
  for (let i = 0; i < rows.length; i += step) {
    const row = rows[i]!;
    await using tile = await fileSource(files[row.tile]!);
    const own = await cutOf(tile, row, stamp);
    await using source = await fileSource(byId.get(row.id) ?? '');
    const image = await openImage(source, 1);
    const { data, width, height } = await image.read({
      x0: 0,
      y0: 0,
      width: image.width,
      height: image.height,
    });
    if (width !== stamp || height !== stamp)
      throw new Error(`Cutana's ${row.id} has ${width} × ${height} pixels.`);
    // CRPIX of a tile is its middle.
    const origin = (keyword: string): number => Math.round((size + 1) / 2 - image.header.number(keyword));
    const [dx, dy] = [own.box.x0 - origin('CRPIX1'), own.box.y0 - origin('CRPIX2')];
    if (Math.abs(dx) > 1 || Math.abs(dy) > 1)
      throw new Error(`Cutana's ${row.id} begins ${dx}, ${dy} pixels before ours (of ${tiles} tiles).`);
    for (let y = Math.max(0, -dy); y < Math.min(stamp, stamp - dy); y++)
      for (let x = Math.max(0, -dx); x < Math.min(stamp, stamp - dx); x++)
        if (data[(y + dy) * stamp + x + dx] !== own.data[y * stamp + x])
          throw new Error(`Pixel ${x}, ${y} of ${row.id} is another one by Cutana.`);
  }
}
