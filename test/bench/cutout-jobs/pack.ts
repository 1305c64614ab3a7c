/** Many small files of a job, stored as packs against one object each. */
import { type Figure, type Measured, say } from '../measure/report.ts';
import { median } from '../measure/statistics.ts';
import type { House } from './house.ts';
import { filesOf } from './jobs.ts';
import { runWhole, type Whole, type WholeSpec, warmUp } from './whole.ts';

/** Files that are asked for singly, one after the other. */
const asked = 200;

export async function measurePacks(house: House, spec: WholeSpec): Promise<Measured> {
  await warmUp(house, 'packs', spec);
  const figures: Figure[] = [];
  const raw: Record<string, object> = {};
  const ways: [string, Whole][] = [];
  for (const [title, pack] of [
    ['one object each', 'false'],
    ['packs', 'true'],
  ] as const) {
    say(title);
    const waits: number[] = [];
    const whole = await runWhole(house, 'packs', { ...spec, parameters: { pack } }, async ({ job }) => {
      const client = await house.clientOf('packs');
      const { files } = await filesOf(client, job.id, asked);
      for (const { url } of files) {
        const began = performance.now();
        const answer = await fetch(url);
        await answer.arrayBuffer();
        if (!answer.ok) throw new Error(`A file was answered ${answer.status}.`);
        waits.push(performance.now() - began);
      }
    });
    ways.push([title, whole]);
    raw[title] = { whole, waits };
    figures.push(
      {
        name: `${title}: ${spec.rows} rows of ${spec.stamp} pixels`,
        value: spec.rows / whole.seconds,
        unit: '/s',
      },
      { name: `${title}: processor seconds, S3`, value: whole.cpu.s3 ?? Number.NaN, unit: 's' },
      { name: `${title}: processor seconds, worker`, value: whole.cpu.worker ?? Number.NaN, unit: 's' },
      { name: `${title}: a file served singly, p50`, value: median(waits), unit: 'ms' },
    );
  }
  const [[, each], [, packs]] = ways as [[string, Whole], [string, Whole]];
  figures.push({
    name: 'packs / one object each, rows a second',
    value: each.seconds / packs.seconds,
    unit: '×',
  });
  return { figures, raw };
}
