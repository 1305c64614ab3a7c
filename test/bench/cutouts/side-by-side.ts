/** Ours and Python's, turn by turn over the same stamps. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Figure } from '../measure/report.ts';
import { median } from '../measure/statistics.ts';
import type { Side } from './processes.ts';
import { type Stamp, type Turned, type Way, ways } from './side.ts';

/** Who does what, in the order of the first round. */
export type Sides = ReadonlyMap<Way, Side>;

export interface Measured {
  readonly way: Way;
  readonly stamps: number;
  readonly turns: readonly Turned[];
  /** Stamps a second, and a second of the process's own processor time: medians of the turns. */
  readonly rate: number;
  readonly perCpu: number;
}

export interface Rounds {
  readonly sides: Sides;
  /** Of each round: fresh ones, for all sides the same. */
  readonly stamps: readonly (readonly Stamp[])[];
  /** What each side cuts before it is measured. */
  readonly warm: readonly Stamp[];
  readonly size: number;
  readonly folder: string;
}

/** Has each side take its turn in each round, another one first each time. Throws where pixels differ. */
export async function sideBySide({ sides, stamps, warm, size, folder }: Rounds): Promise<Measured[]> {
  const turn = async (way: Way, side: Side, some: readonly Stamp[], digests: boolean): Promise<Turned> => {
    const own = join(folder, way);
    await mkdir(own, { recursive: true });
    const turned = await side.take({ way, stamps: some, size, folder: own, digests });
    await rm(own, { recursive: true });
    return turned;
  };
  const all = [...sides];
  const digests = new Map<Way, readonly string[]>();
  for (const [way, side] of all) digests.set(way, (await turn(way, side, warm, true)).digests);
  requireEqual(digests);
  const turns = new Map<Way, Turned[]>(all.map(([way]) => [way, []]));
  for (const [round, some] of stamps.entries()) {
    const first = round % all.length;
    for (const [way, side] of [...all.slice(first), ...all.slice(0, first)]) {
      turns.get(way)!.push(await turn(way, side, some, false));
    }
  }
  return all.map(([way]) => {
    const taken = turns.get(way)!;
    const count = stamps[0]?.length ?? 0;
    return {
      way,
      stamps: count,
      turns: taken,
      rate: median(taken.map(({ seconds }) => count / seconds)),
      perCpu: median(taken.map(({ cpu }) => count / cpu)),
    };
  });
}

function requireEqual(digests: ReadonlyMap<Way, readonly string[]>): void {
  const [[first, wanted] = ['ours', []] as const, ...others] = digests;
  for (const [way, found] of others) {
    const at = found.findIndex((digest, i) => digest !== wanted[i]);
    if (at >= 0 || found.length !== wanted.length)
      throw new Error(`Stamp ${at} has other pixels by ${way} than by ${first}.`);
  }
}

/** Rates of each way under `title`. */
export function rates(title: string, measured: readonly Measured[]): Figure[] {
  return measured.flatMap(({ way, rate, perCpu }) => [
    { name: `${title}: ${ways[way]}`, value: rate, unit: '/s' },
    { name: `${title}: ${ways[way]}, of its own processor time`, value: perCpu, unit: '/s' },
  ]);
}

/** One way's median over another's; none where one was left out. */
export function ratio(
  title: string,
  measured: readonly Measured[],
  [over, under, of]: readonly [Way, Way, 'rate' | 'perCpu'],
  least: number,
): Figure[] {
  const one = measured.find(({ way }) => way === over);
  const other = measured.find(({ way }) => way === under);
  if (one === undefined || other === undefined) return [];
  return [{ name: title, value: one[of] / other[of], unit: '×', least }];
}
