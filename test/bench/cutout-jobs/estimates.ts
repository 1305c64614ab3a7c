/** How good estimates are once some hundred jobs of mixed sizes have been learnt from. */

import { randomOf } from '../cutouts/tiles.ts';
import { removeJob } from '../items/removal.ts';
import { type Measured, say } from '../measure/report.ts';
import { median } from '../measure/statistics.ts';
import type { House } from './house.ts';
import { finish, type Parameters, submit, worked } from './jobs.ts';
import { rowsOf } from './rows.ts';
import { theBand } from './sky.ts';
import type { WholeSpec } from './whole.ts';

export interface EstimatesSpec extends Pick<WholeSpec, 'tiles' | 'size'> {
  /** Jobs that are learnt from, and jobs behind them that are measured. */
  readonly jobs: number;
  readonly more: number;
}

interface Estimated {
  readonly rows: number;
  readonly parameters: Parameters;
  /** As the answer to the submit had them; undefined where it had none. */
  readonly p50: number | undefined;
  readonly p90: number | undefined;
  /** What they are estimates of. */
  readonly seconds: number;
}

const mostRows = 300;
const sides = [64, 128, 228, 456];
const formats: readonly Parameters[] = [
  { format: 'fits' },
  { format: 'fits', compress: 'rice' },
  { format: 'png', algorithm: 'asinh' },
  { format: 'jpeg', algorithm: 'zscale' },
];

/** Jobs one after the other. */
export async function measureEstimates(house: House, spec: EstimatesSpec): Promise<Measured> {
  const client = await house.clientOf('many');
  const random = randomOf(11);
  const all: Estimated[] = [];
  for (let n = 1; n <= spec.jobs + spec.more; n++) {
    const stamp = sides[Math.floor(random() * sides.length)]!;
    // As many of 1 to 3 rows as of 100 to 300.
    const rows = Math.max(1, Math.round(mostRows ** random()));
    const parameters = {
      size: `${stamp}px`,
      bands: theBand,
      ...formats[Math.floor(random() * formats.length)],
    };
    const list = rowsOf({ ...spec, stamp, rows, seed: 1000 + n });
    const ended = await finish(client, await submit(client, list, parameters));
    const { p50, p90 } = ended.job.estimate?.seconds ?? {};
    all.push({ rows, parameters, p50, p90, seconds: await worked(house.records, ended.end) });
    await removeJob(client, ended.job.id);
    if (n % 25 === 0) say(`${n} of ${spec.jobs + spec.more} jobs; ${inWords(all.slice(-25))}`);
  }
  const measured = all.slice(spec.jobs);
  const { within, factor, missing } = errorOf(measured);
  return {
    figures: [
      {
        name: `of ${spec.more} jobs after ${spec.jobs}: within their p90`,
        value: 100 * within,
        unit: '%',
        least: 80,
      },
      {
        name: 'the same: factor between p50 and what it took, median',
        value: factor,
        unit: '×',
        target: 1.5,
      },
      { name: 'the same: without an estimate', value: missing, unit: '', target: 0 },
      { name: 'rows of a job, median', value: median(all.map(({ rows }) => rows)), unit: '' },
      { name: 'seconds of a job, median', value: median(all.map(({ seconds }) => seconds)), unit: 's' },
      { name: 'the first 25: within their p90', value: 100 * errorOf(all.slice(0, 25)).within, unit: '%' },
      { name: 'the first 25: factor, median', value: errorOf(all.slice(0, 25)).factor, unit: '×' },
    ],
    raw: { all },
  };
}

interface EstimateError {
  /** Share that took their p90 or less. */
  readonly within: number;
  /** Median of what each took over its p50, or the other way round: 1 or more. */
  readonly factor: number;
  readonly missing: number;
}

function errorOf(jobs: readonly Estimated[]): EstimateError {
  const told = jobs.flatMap(({ p50, p90, seconds }) =>
    p50 === undefined || p90 === undefined ? [] : [{ p50, p90, seconds }],
  );
  return {
    within: told.filter(({ p90, seconds }) => seconds <= p90).length / told.length,
    factor: median(told.map(({ p50, seconds }) => Math.max(seconds / p50, p50 / seconds))),
    missing: jobs.length - told.length,
  };
}

function inWords(jobs: readonly Estimated[]): string {
  const { within, factor } = errorOf(jobs);
  return `of the last ones ${(100 * within).toFixed(0)} % within p90, factor ${factor.toFixed(2)}`;
}
