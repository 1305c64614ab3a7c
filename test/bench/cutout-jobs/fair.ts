/** A few rows of one user while another one's many are worked on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { removeJob } from '../items/removal.ts';
import { type Measured, say } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';
import type { Client } from '../photo/client.ts';
import type { House } from './house.ts';
import { cancel, documentOf, finish, pagesOf, submit, untilUnderWay } from './jobs.ts';
import { rowsOf } from './rows.ts';
import { cutoutsOf, type WholeSpec, warmUp } from './whole.ts';

/** Rows of the other user, and jobs of theirs alone and beside. */
const few = 10;
const turns = 5;
const pauseMs = 1000;
/** So many pages of the many may come before the few. */
const pagesAtMost = 3;

export async function measureFairness(house: House, spec: WholeSpec): Promise<Measured> {
  const [many, other] = [await house.clientOf('many'), await house.clientOf('other')];
  await warmUp(house, 'other', spec);
  const alone = await jobsOf(other, spec, 0, async () => true);
  const { job } = await submit(many, rowsOf(spec), cutoutsOf(spec.stamp));
  // The first of the few comes while the many are planned.
  const atOnce = await finish(other, await submit(other, fewOf(spec, 50), cutoutsOf(spec.stamp)));
  await untilUnderWay(many, job.id);
  const isOpen = async (): Promise<boolean> => (await documentOf(many, job.id)).finishedAt === null;
  const beside = [atOnce.seconds, ...(await jobsOf(other, spec, 100, isOpen))];
  if (beside.length < 2) throw new Error('The job was over before the others were.');
  const pages = await pagesOf(house.records, job.id);
  if (await isOpen()) await cancel(many, job.id);
  const page = median(pages) / 1000;
  const delays = beside.map((seconds) => seconds - median(alone));
  say(
    `${few} rows: ${median(alone).toFixed(2)} s alone, ${median(beside).toFixed(2)} s beside; a page takes ${page.toFixed(2)} s`,
  );
  return {
    figures: [
      { name: `${few} rows alone, median of ${turns}`, value: median(alone), unit: 's' },
      { name: `${few} rows beside ${spec.rows} of another user, median`, value: median(beside), unit: 's' },
      { name: 'a page of the many, p50', value: page, unit: 's' },
      { name: 'a page of the many, p99', value: quantile(pages, 0.99) / 1000, unit: 's' },
      { name: 'delay, median', value: median(delays), unit: 's', target: pagesAtMost * page },
      { name: 'delay, the longest', value: Math.max(...delays), unit: 's', target: pagesAtMost * page },
      { name: 'the same in pages', value: Math.max(...delays) / page, unit: '', target: pagesAtMost },
    ],
    raw: { alone, beside, pages },
  };
}

const fewOf = (spec: WholeSpec, seed: number) => rowsOf({ ...spec, rows: few, seed });

/** Seconds of some jobs of few rows, one after the other, of other rows each; those that end while `counts`. */
async function jobsOf(
  client: Client,
  spec: WholeSpec,
  seed: number,
  counts: () => Promise<boolean>,
): Promise<number[]> {
  const seconds: number[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    const ended = await finish(client, await submit(client, fewOf(spec, seed + turn), cutoutsOf(spec.stamp)));
    if (!(await counts())) break;
    seconds.push(ended.seconds);
    await removeJob(client, ended.job.id);
    await sleep(pauseMs);
  }
  return seconds;
}
