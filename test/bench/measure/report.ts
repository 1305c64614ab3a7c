/** What a benchmark says: lines while it runs, one table at the end, a JSON file for later comparison. */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { homeFolder } from '../../../apps/local/home/layout.ts';

/** One line of the table. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The most the value may be; absent, with `least`, where it is told for information. */
  readonly target?: number;
  /** The least it may be. */
  readonly least?: number;
}

const started = performance.now();

/** A line of progress, with the seconds since the start. */
export function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
  console.log(`${seconds} s  ${line}`);
}

/** Where the figures were taken. `load` above the number of cores before the start means that others were at work too. */
export function machine(): {
  cpu: string;
  cores: number;
  memoryGiB: number;
  node: string;
  date: string;
  load: number;
} {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString(),
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** Prints the table and writes all that was measured to `bench/NAME-DATE.json` in the folder of generated files. */
export async function report(
  name: string,
  at: ReturnType<typeof machine>,
  figures: readonly Figure[],
  raw: object,
): Promise<void> {
  console.log(`\n${table(['figure', 'value', 'target', ''], figures.map(cells))}\n`);
  console.log(
    `${at.cpu}, ${at.cores} cores, ${at.memoryGiB} GiB; Node ${at.node}; ${at.date}; load at the start ${at.load}`,
  );
  const folder = join(homeFolder(), 'bench');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${name}-${at.date.replaceAll(':', '-')}.json`);
  await writeFile(file, `${JSON.stringify({ bench: name, machine: at, figures, raw }, null, 1)}\n`);
  console.log(file);
}

/** Name, value, target, and whether that was met. */
export function cells({ name, value, unit, target, least }: Figure): string[] {
  const inUnit = (number: number): string => `${rounded(number)}${unit === '' ? '' : ` ${unit}`}`;
  const wanted =
    target !== undefined ? `≤ ${inUnit(target)}` : least !== undefined ? `≥ ${inUnit(least)}` : '';
  const met = value <= (target ?? Number.POSITIVE_INFINITY) && value >= (least ?? Number.NEGATIVE_INFINITY);
  return [name, inUnit(value), wanted, wanted === '' ? '' : met ? 'met' : 'MISSED'];
}

/** What one part of a benchmark has measured. */
export interface Measured {
  readonly figures: readonly Figure[];
  readonly raw: object;
}

/** Gathers what the parts of a benchmark measure, from now on; `only`, one of `options`, names the parts that are wanted alone, with commas between. */
export function gather(name: string, options: { readonly only?: string | undefined }) {
  const at = machine();
  const figures: Figure[] = [];
  const raw: Record<string, object> = { options };
  return {
    wanted: (part: string): boolean => options.only?.split(',').includes(part) ?? true,
    add(part: string, measured: Measured): void {
      figures.push(...measured.figures);
      raw[part] = measured.raw;
    },
    /** As {@link report}. */
    report: () => report(name, at, figures, raw),
  };
}

const rounded = (value: number): string => String(Number(value.toPrecision(value >= 1000 ? 4 : 3)));

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('   ');
  return [line(head), widths.map((width) => '─'.repeat(width)).join('   '), ...rows.map(line)].join('\n');
}
