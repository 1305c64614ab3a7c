/** From what was measured to the tables and the ratios that are asked for. */
import { cells, type Figure } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';
import type { Answered } from './load.ts';
import type { Measured } from './measure.ts';
import { type ModelName, modelNames, type SystemName, systemNames, titles } from './systems.ts';

const bare = ['main', 'lanes'] as const;
const peers = ['fastapi', 'litserve'] as const;

/** By model and number of clients: the least share of the best bare server's rate, and what is in reach. */
const leastOfBare: Readonly<Record<ModelName, Readonly<Record<number, readonly [number, number]>>>> = {
  classifier: { 16: [0.55, 0.68], 64: [0.7, 0.8] },
  detector: { 16: [0.7, 0.78], 64: [0.8, 0.88] },
};
/** At 64 clients, of the best peer's. */
const leastOfPeers = [1.1, 1.4] as const;
/** Milliseconds more than the better bare server, alone. */
const mostAlone = [60, 30] as const;

/** Groups of processes in the order of the table. */
const groups = ['api', 'worker', 'temporal', 'postgres', 's3', 'peer', 'load'] as const;

/** What the systems did of one rung, all rounds together. */
export interface Rung {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** Processor milliseconds a request, by group. */
  readonly cpu: Readonly<Record<string, number>>;
}

export type Side = Pick<Measured, 'model' | 'clients' | 'system'>;

export function rungOf(measured: readonly Measured[], of: Side): Rung | undefined {
  const own = roundsOf(measured, of);
  const answered = own.flatMap(({ result }) => result.answered);
  if (answered.length === 0) return undefined;
  const times = answered.map(({ ms }) => ms);
  const sum = (value: (one: Measured) => number): number => own.reduce((total, one) => total + value(one), 0);
  const cpu = groups.map((group) => [group, (1000 * sum((one) => one.cpu[group] ?? 0)) / answered.length]);
  return {
    perSecond: answered.length / sum(({ result }) => result.seconds),
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    errors: sum(({ result }) => result.errors.length),
    cpu: Object.fromEntries(cpu),
  };
}

const roundsOf = (measured: readonly Measured[], { model, clients, system }: Side): Measured[] =>
  measured.filter((one) => one.model === model && one.clients === clients && one.system === system);

/** A row for each system of each rung, as docs/measurements.md has them. */
export function rungTable(measured: readonly Measured[]): string {
  const head = [
    'model, clients: system',
    'a second',
    'p50, ms',
    'p99, ms',
    'processor ms a request',
    ...groups,
  ];
  const found = rungs(measured).flatMap(({ model, clients }) =>
    systemNames.flatMap((system) => {
      const rung = rungOf(measured, { model, clients, system });
      if (rung === undefined) return [];
      const { perSecond, p50, p99, cpu } = rung;
      const served = groups.filter((group) => group !== 'load').map((group) => cpu[group] ?? 0);
      return [
        [
          `${model}, ${clients}: ${titles[system]}`,
          perSecond.toFixed(1),
          p50.toFixed(0),
          p99.toFixed(0),
          served.reduce((sum, ms) => sum + ms, 0).toFixed(1),
          ...groups.map((group) => (cpu[group] ? cpu[group].toFixed(1) : '')),
        ],
      ];
    }),
  );
  return markdown(head, found);
}

/** The figures, as docs/measurements.md has them. */
export function figureTable(figures: readonly Figure[]): string {
  const found = figures
    .map(cells)
    .map(([name = '', value = '', wanted = '', met = '']) => [
      name,
      value,
      wanted === '' ? '' : `${wanted}, ${met}`,
    ]);
  return markdown(['figure', 'measured', 'target'], found);
}

function markdown(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (each: readonly string[]): string => `| ${each.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

const rungs = (measured: readonly Measured[]): { model: ModelName; clients: number }[] =>
  modelNames.flatMap((model) =>
    [...new Set(measured.filter((one) => one.model === model).map(({ clients }) => clients))].map(
      (clients) => ({
        model,
        clients,
      }),
    ),
  );

/** The ratios, with what is asked of them. */
export function ratios(measured: readonly Measured[]): Figure[] {
  const rate = (side: Side): number => rungOf(measured, side)?.perSecond ?? 0;
  return rungs(measured).flatMap(({ model, clients }): Figure[] => {
    const of = (system: SystemName): Side => ({ model, clients, system });
    const best = (systems: readonly SystemName[]): SystemName | undefined =>
      systems.filter((system) => rate(of(system)) > 0).sort((a, b) => rate(of(b)) - rate(of(a)))[0];
    const ours = rungOf(measured, of('ours'));
    const [a, b] = [best(bare), best(peers)];
    if (ours === undefined) return [];
    const name = `${model}, ${clients} clients`;
    const [least, reach] = leastOfBare[model][clients] ?? [];
    const figures: Figure[] = [];
    if (a !== undefined)
      figures.push({
        name: `${name}: ours / ${titles[a]}${inReach(reach)}`,
        value: ours.perSecond / rate(of(a)),
        unit: '',
        ...(least !== undefined && { least }),
      });
    if (b !== undefined)
      figures.push({
        name: `${name}: ours / ${titles[b]}${clients === 64 ? inReach(leastOfPeers[1]) : ''}`,
        value: ours.perSecond / rate(of(b)),
        unit: '',
        ...(clients === 64 && { least: leastOfPeers[0] }),
      });
    if (clients === 1 && a !== undefined)
      figures.push({
        name: `${model}, alone: p50 − that of (a)${inReach(mostAlone[1], ' ms')}`,
        value: ours.p50 - Math.min(...bare.flatMap((each) => rungOf(measured, of(each))?.p50 ?? [])),
        unit: 'ms',
        target: mostAlone[0],
      });
    return figures;
  });
}

const inReach = (value: number | undefined, unit = ''): string =>
  value === undefined ? '' : ` (in reach: ${value}${unit})`;

/** What one alone waits for, hop by hop: medians of what the answers tell, and what no step of them counts. */
export function hops(model: ModelName, answered: readonly Answered[]): Figure[] {
  const told = answered.flatMap(({ ms, timings }) => (timings ? [{ ms, timings }] : []));
  const steps = ['gather', 'queue', 'fetch', 'decode', 'infer'];
  const sum = (timings: Readonly<Record<string, number>>): number =>
    Object.values(timings).reduce((total, ms) => total + ms, 0);
  return [
    ...steps.map((step) => ({
      name: `${model}, alone: ${step}`,
      value: median(told.map(({ timings }) => timings[step] ?? 0)),
      unit: 'ms',
    })),
    {
      name: `${model}, alone: HTTP, lane, row, notification`,
      value: median(told.map(({ ms, timings }) => ms - sum(timings))),
      unit: 'ms',
    },
  ];
}

/** How far the systems say the same of the same pictures: ours and the bare ones all, the others mostly. */
export function agreement(measured: readonly Measured[]): Figure[] {
  return modelNames.flatMap((model) => {
    const saidBy = (system: SystemName): Map<number, number | null> =>
      new Map(
        measured
          .filter((one) => one.model === model && one.system === system)
          .flatMap(({ result }) =>
            result.answered.map(({ picture, result: said }) => [picture, said] as const),
          ),
      );
    const ours = saidBy('ours');
    return systemNames.flatMap((system): Figure[] => {
      const other = system === 'ours' ? new Map<number, number | null>() : saidBy(system);
      const both = [...other.keys()].filter((picture) => ours.has(picture));
      if (both.length === 0) return [];
      const same = both.filter((picture) => other.get(picture) === ours.get(picture)).length;
      const isBare = bare.some((name) => name === system);
      return [
        {
          name: `${model}: pictures of which ${titles[system]} says the same`,
          value: (100 * same) / both.length,
          unit: '%',
          ...(isBare && { least: 100 }),
        },
      ];
    });
  });
}
