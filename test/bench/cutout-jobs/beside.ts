/** Requests for single cutouts by one client, alone and while a job is worked on. */
import type { Answer } from '../cutouts/platform.ts';
import { type Place, placesOf } from '../cutouts/realtime.ts';
import { randomOf } from '../cutouts/tiles.ts';
import { type Figure, type Measured, say } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';
import type { Client } from '../photo/client.ts';
import type { House } from './house.ts';
import { cancel, cutouts, submit, untilUnderWay } from './jobs.ts';
import { rowsOf } from './rows.ts';
import { cutoutsOf, type WholeSpec } from './whole.ts';

const arcmin = 1 / 60;
const formats = {
  FITS: { format: 'fits', bands: 'r' },
  'PNG, Lupton': { format: 'png', bands: 'i,r,g' },
} as const;
const warmUps = 30;

/** `requests` of each format, one after the other, alone and then beside a job of `spec`, which is cancelled. */
export async function measureBeside(
  house: House,
  spec: WholeSpec & { readonly requests: number },
): Promise<Measured> {
  const user = await house.clientOf('reader');
  const other = await house.clientOf('many');
  const place = placesOf(spec.tiles, spec.size, randomOf(7));
  const figures: Figure[] = [];
  const raw: Record<string, object> = {};
  for (const [title, query] of Object.entries(formats)) {
    const turn = (requests: number) => turnOf(house, user, query, place, requests);
    await turn(Math.min(warmUps, spec.requests));
    const alone = await turn(spec.requests);
    const rows = rowsOf({ ...spec, seed: 5 });
    const { job } = await submit(other, rows, cutoutsOf(spec.stamp));
    const before = await untilUnderWay(other, job.id);
    const began = performance.now();
    const beside = await turn(spec.requests);
    const seconds = (performance.now() - began) / 1000;
    const after = await cutouts(other, job.id);
    if (after >= rows.length) throw new Error('The job was over before its turn was.');
    await cancel(other, job.id);
    const rate = (after - before) / seconds;
    const [idle, busy] = [made(alone), made(beside)];
    say(
      `${title}: p99 ${quantile(idle, 0.99).toFixed(0)} ms alone, ${quantile(busy, 0.99).toFixed(0)} ms beside ${rate.toFixed(1)} cutouts a second`,
    );
    figures.push(
      { name: `${title}, alone: p50`, value: median(idle), unit: 'ms' },
      { name: `${title}, alone: p99`, value: quantile(idle, 0.99), unit: 'ms' },
      { name: `${title}, beside a job: p50`, value: median(busy), unit: 'ms' },
      { name: `${title}, beside a job: p99`, value: quantile(busy, 0.99), unit: 'ms', target: 800 },
      { name: `${title}, beside / alone: p50`, value: median(busy) / median(idle), unit: '×' },
      {
        name: `${title}, beside / alone: p99`,
        value: quantile(busy, 0.99) / quantile(idle, 0.99),
        unit: '×',
      },
      {
        name: `${title}: requests that failed`,
        value: alone.length + beside.length - idle.length - busy.length,
        unit: '',
        target: 0,
      },
      { name: `${title}: cutouts of the job meanwhile`, value: rate, unit: '/s' },
    );
    raw[title] = { alone, beside, rate };
  }
  return { figures, raw };
}

async function turnOf(
  house: House,
  client: Client,
  query: Readonly<Record<string, string>>,
  place: Place,
  requests: number,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; i < requests; i++)
    answers.push(await house.ask(client, { size: '1arcmin', ...query, ...place(arcmin) }));
  return answers;
}

const made = (answers: readonly Answer[]): number[] =>
  answers.flatMap(({ ms, refused }) => (refused === undefined ? [ms] : []));
