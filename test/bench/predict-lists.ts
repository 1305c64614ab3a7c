/**
 * Lists of predictions among very many: `npm run bench -- predict-lists`. Rows over a year of months, most of them of one owner, written straight
 * into the tables; then the API is asked as its users ask it, and Postgres for what its plans read.
 */
import { parseArgs } from 'node:util';
import { ensureMonths, monthOf } from '@darkroom/prediction';
import { rowsRead } from '@darkroom/prediction/testing.ts';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import pg from 'pg';
import { sealPage } from '../../apps/api/signed/pages.ts';
import { type Figure, gather, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';
import { quantile } from './measure/statistics.ts';
import { figureTable } from './predict/figures.ts';

const help = `npm run bench -- predict-lists [options]

  --rows N       predictions (10000000)
  --months N     that they lie in (12)
  --requests N   of each kind (300)`;

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    months: { type: 'string', default: '12' },
    requests: { type: 'string', default: '300' },
    help: { type: 'boolean', default: false },
  },
});
const secret = 'of the benchmark alone, long enough';
const mostMs = 50;
/** Of all rows: one owner has most, a thousand share the others, one has a few, and one none. Every hundredth has failed. */
const owners = { most: 'most', some: 'some-1', few: 'few', none: 'none' } as const;
type Owner = keyof typeof owners;

/** What a row has beside what lists are asked by. */
const scores = [0.5, 0.25, 0.1, 0.05, 0.01].map((score, classId) => ({
  classId,
  label: `class ${classId}`,
  score,
}));
const output = JSON.stringify({ width: 1024, height: 1024, format: 'jpeg', top: scores });
const problem = JSON.stringify({
  ...{ code: 'truncated_image', title: 'The picture ends early', fault: 'yours', retryable: false },
  ...{ detail: 'photo.jpg ends early.', advice: 'Send it whole.' },
});
const timings = JSON.stringify({ gather: 5.5, queue: 12.25, fetch: 3.5, decode: 14, infer: 18.25 });

if (options.help) console.log(help);
else await bench(Number(options.rows), Number(options.months));

async function bench(rows: number, months: number): Promise<void> {
  const { add, report } = gather('predict-lists', {});
  say('starting Postgres, S3 and Temporal');
  const stack = await startBenchStack('bench-lists', { LINK_SECRET: secret, LIMIT_WORKING_REQUESTS: '50' });
  try {
    await migrate(stack.stack.postgres);
    const records = openRecords({ url: stack.stack.postgres, pool: 2, application: 'darkroom-bench' });
    try {
      await fill(stack.stack.postgres, records, rows, months);
      const api = await stack.startApi();
      const keys = Object.fromEntries(
        await Promise.all(
          Object.entries(owners).map(async ([name, owner]) => [
            name,
            (await createKey(records.db, { owner, role: 'user', priority: 3 })).key,
          ]),
        ),
      ) as Record<Owner, string>;
      const figures: Figure[] = [];
      const raw: Record<string, readonly number[]> = {};
      for (const list of lists(rows)) {
        const times = await ask(api.url, keys[list.owner], list.path);
        raw[list.name] = times;
        say(
          `${list.name}: p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`,
        );
        figures.push(
          { name: `${list.name}, p50`, value: quantile(times, 0.5), unit: 'ms' },
          { name: `${list.name}, p99`, value: quantile(times, 0.99), unit: 'ms', target: mostMs },
        );
      }
      for (const [owner, state] of [['most'], ['most', 'failed'], ['some', 'succeeded']] as const) {
        const filter = { owner: owners[owner], state, before: Math.round(rows / 2), limit: 51 };
        figures.push({
          name: `rows read for a page of 51, ${state ?? 'all'} of ${owner}`,
          value: await rowsRead(records.db, filter),
          unit: '',
          target: 51 + months + 2,
        });
      }
      console.log(`\n${figureTable(figures)}`);
      add('lists', { figures, raw: { options, ...raw } });
    } finally {
      await records.close();
    }
    await report();
  } finally {
    await stack.close();
  }
}

interface List {
  readonly name: string;
  readonly owner: Owner;
  /** Of the nth request. */
  readonly path: (nth: number) => string;
}

function lists(rows: number): List[] {
  const anywhere = (nth: number): number => 1 + ((nth * 7919 * 131) % rows);
  const token = (owner: Owner, nth: number, state?: string): string =>
    encodeURIComponent(sealPage(secret, ['predictions', owners[owner], state], anywhere(nth)));
  return [
    { name: 'first page', owner: 'most', path: () => '/predict' },
    { name: 'a page anywhere', owner: 'most', path: (nth) => `/predict?pageToken=${token('most', nth)}` },
    { name: 'first page in detail', owner: 'most', path: () => '/predict?detail=true' },
    {
      name: 'a page of 1,000 anywhere',
      owner: 'most',
      path: (nth) => `/predict?pageSize=1000&pageToken=${token('most', nth)}`,
    },
    { name: 'first page of those that failed', owner: 'most', path: () => '/predict?state=failed' },
    {
      name: 'a page of those that failed, anywhere',
      owner: 'most',
      path: (nth) => `/predict?state=failed&pageToken=${token('most', nth, 'failed')}`,
    },
    { name: 'first page of one of a thousand owners', owner: 'some', path: () => '/predict' },
    // All of that owner's failed: there are none.
    {
      name: 'those of one of a thousand owners that succeeded',
      owner: 'some',
      path: () => '/predict?state=succeeded',
    },
    { name: 'all of an owner of 20', owner: 'few', path: () => '/predict' },
    { name: 'those of an owner of 20 that failed', owner: 'few', path: () => '/predict?state=failed' },
    { name: 'of an owner of none', owner: 'none', path: () => '/predict' },
    // Every second one is of the owner of most.
    { name: 'one by its id', owner: 'most', path: (nth) => `/predict/${2 * Math.ceil(anywhere(nth) / 2)}` },
  ];
}

/** What each request took until its answer was whole, milliseconds; those of a first tenth do not count. */
async function ask(url: string, key: string, path: (nth: number) => string): Promise<number[]> {
  const times: number[] = [];
  const requests = Number(options.requests);
  const warmUp = Math.ceil(requests / 10);
  for (let nth = 1; nth <= requests + warmUp; nth++) {
    const began = performance.now();
    const answer = await fetch(url + path(nth), { headers: { authorization: `Bearer ${key}` } });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path(nth)}: ${answer.status} ${text.slice(0, 200)}`);
    if (nth > warmUp) times.push(performance.now() - began);
  }
  return times;
}

/** Writes the rows, month by month, ids in the order of their times; by a connection of its own, as no statement of the product takes so long. */
async function fill(url: string, { db }: Records, rows: number, months: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const now = new Date();
    // All of them first: a table of months that rows are analysed in is waited for in vain.
    for (let month = 1; month <= months; month++) await ensureMonths(db, monthOf(now, month - months).from);
    const perMonth = Math.ceil(rows / months);
    const few = Math.floor(rows / 20);
    for (let month = 0; month < months; month++) {
      const { from, to, table } = monthOf(now, month + 1 - months);
      const first = 1 + month * perMonth;
      const last = Math.min(rows, first + perMonth - 1);
      const stepMs = (Math.min(to.getTime(), now.getTime()) - from.getTime()) / (last - first + 1);
      await client.query(
        `insert into ${table} (id, accepted_at, owner, state, result, label, score, output, problem, model_name, model_version,
           model_digest, filename, bytes, timings, trace_id, finished_at)
         select id, at,
           case when id % ${few} = 1 then $1 when id % 2 = 0 then $2 else 'some-' || id % 1000 end,
           case when id % 100 < 2 then 'failed' else 'succeeded' end,
           case when id % 100 < 2 then null else id % 1000 end, 'tabby', 0.5,
           case when id % 100 < 2 then null else $3::jsonb end,
           case when id % 100 < 2 then $4::jsonb end,
           'efficientnet-lite0', '1', repeat('d', 64), 'photo-' || id || '.jpg', 300000, $5::jsonb, md5(id::text), at
         from generate_series(${first}::bigint, ${last}::bigint) id,
           lateral (select $6::timestamptz + (id - ${first}) * ${stepMs} * interval '1 millisecond' as at) times`,
        [owners.few, owners.most, output, problem, timings, from.toISOString()],
      );
      say(`${last} rows`);
    }
    await client.query('vacuum analyze predictions');
    say('vacuumed and analysed');
  } finally {
    await client.end();
  }
}
