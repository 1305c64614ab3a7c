/**
 * What a durable prediction costs: `npm run bench -- predict`. The same pictures, by closed loops of clients, to a bare Hono server with the
 * same code, which keeps nothing (a), to services as they are written in Python (b), and to ours, API and worker apart, every result durable (c).
 * All are up at once, and have their turns.
 */
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { createKey, migrate, openRecords } from '@darkroom/records';
import pg from 'pg';
import { pythonTools } from '../harness/python.ts';
import type { TestStack } from '../harness/stack.ts';
import { shippedLimits } from '../harness/stack.ts';
import { peakMemory } from './measure/cpu.ts';
import { type Figure, gather, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';
import { megapixel, photoFiles } from './photo/sources.ts';
import { agreement, figureTable, hops, ratios, rungTable } from './predict/figures.ts';
import { type Measured, measureIdle, measureRungs, startLoad } from './predict/measure.ts';
import {
  type ModelName,
  modelFiles,
  modelNames,
  type System,
  startBare,
  startOurs,
  startPeer,
  systemNames,
} from './predict/systems.ts';

const help = `npm run bench -- predict [options]

  --models LIST    of ${modelNames.join(', ')} (both)
  --systems LIST   of ${systemNames.join(', ')} (all)
  --clients LIST   closed-loop clients of each rung (1,16,64)
  --seconds N      of each turn of a system (5)
  --rounds N       turns of each system on each rung (2)
  --pictures N     JPEGs of about 1 megapixel (200)
  --workers N      processes of each Python service (2)

main, lanes: bare Hono, the model on its main thread or in lanes; fastapi: with a Postgres insert before the answer; litserve: as it comes, which
keeps nothing; ours: API and worker apart. fastapi and litserve are left out where there is no Python of 3.11 or later, or no PyPI.`;

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: modelNames.join() },
    systems: { type: 'string', default: systemNames.join() },
    clients: { type: 'string', default: '1,16,64' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '2' },
    pictures: { type: 'string', default: '200' },
    workers: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
});
const apiMiB = 400;
if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const { add, report } = gather('predict', {});
  const models = listed(options.models, modelNames);
  const wanted = listed(options.systems, systemNames);
  const pictures = await photoFiles(megapixel, Number(options.pictures));
  const sizes = await Promise.all(pictures.map(async (file) => (await stat(file)).size));
  say(
    `${pictures.length} JPEGs, ${(sizes.reduce((a, b) => a + b, 0) / sizes.length / 1024).toFixed(0)} KiB on average`,
  );
  const python = wanted.some((name) => name === 'fastapi' || name === 'litserve')
    ? await pythonTools('prediction-peers')
    : { missing: 'not asked for' };
  if (python.missing !== undefined) say(`without FastAPI and LitServe: ${python.missing}`);
  say('starting Postgres, S3 and Temporal');
  // One key for all clients, as they are one user; a benchmark holds nothing back.
  const stack = await startBenchStack('bench-predict', { ...shippedLimits, LOG_LEVEL: 'info' });
  const load = startLoad();
  const all: Measured[] = [];
  const figures: Figure[] = [];
  const systems: System[] = [];
  try {
    await migrate(stack.stack.postgres);
    const key = await makeKey(stack);
    const database = await peersDatabase(stack.stack.postgres);
    const { postgres = 0, temporal = 0, s3 = 0 } = stack.stack.pids;
    const shared = { postgres, temporal, s3 };
    for (const model of models) {
      say(`${model}: starting ${wanted.join(', ')}`);
      for (const name of wanted) {
        if (name === 'ours') systems.push(await startOurs(model, stack, key));
        else if (name === 'main' || name === 'lanes')
          systems.push(await startBare(name, modelFiles[model], stack));
        else if (python.python !== undefined)
          systems.push(
            await startPeer(name, python.python, modelFiles[model], {
              workers: Number(options.workers),
              database,
            }),
          );
      }
      const measured = await measureRungs({
        model,
        systems,
        load,
        shared,
        pictures,
        clients: options.clients.split(',').map(Number),
        rounds: Number(options.rounds),
        seconds: Number(options.seconds),
      });
      all.push(...measured);
      const ours = systems.find(({ name }) => name === 'ours');
      if (ours !== undefined) figures.push(...(await aboutOurs(ours, model, shared)));
      for (const system of systems.splice(0)) await system.stop();
    }
  } finally {
    for (const system of systems) await system.stop();
    await load.stop();
    await stack.close();
  }
  const failed = all.reduce((sum, { result }) => sum + result.errors.length, 0);
  figures.unshift(...ratios(all));
  figures.push(...agreement(all), { name: 'requests that failed', value: failed, unit: '', target: 0 });
  console.log(`\n${rungTable(all)}\n\n${figureTable(figures)}`);
  add('rungs', {
    figures,
    raw: {
      options,
      measured: all.map(({ result, ...one }) => ({
        ...one,
        seconds: result.seconds,
        errors: result.errors,
        ms: result.answered.map(({ ms }) => Number(ms.toFixed(1))),
      })),
    },
  });
  await report();

  async function aboutOurs(
    ours: System,
    model: ModelName,
    shared: Readonly<Record<string, number>>,
  ): Promise<Figure[]> {
    const alone = { headers: ours.headers, pictures, clients: 1, seconds: Number(options.seconds) };
    const { answered } = await load.run({ ...alone, url: `${ours.url}&detail=true` });
    const memory = await peakMemory(ours.pids.api ?? 0);
    const idle = await measureIdle({ ...shared, ...ours.pids }, 3);
    const idleShare = Object.values(idle).reduce((sum, share) => sum + share, 0);
    return [
      ...hops(model, answered),
      ...(memory === undefined
        ? []
        : [
            {
              name: `${model}: peak memory of the API`,
              value: memory / 2 ** 20,
              unit: 'MiB',
              target: apiMiB,
            },
          ]),
      { name: `${model}: our processes at rest, of one core`, value: 100 * idleShare, unit: '%' },
    ];
  }
}

/** The names of a list, in the order of `known`. Throws for one that is not known. */
function listed<Name extends string>(list: string, known: readonly Name[]): Name[] {
  const names = list.split(',');
  const unknown = names.filter((name) => !known.some((one) => one === name));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: there are ${known.join(', ')}.`);
  return known.filter((name) => names.includes(name));
}

async function makeKey(stack: TestStack): Promise<string> {
  const records = openRecords({ url: stack.stack.postgres, pool: 1, application: 'darkroom-bench' });
  const { key } = await createKey(records.db, { owner: 'bench', role: 'user', priority: 3 });
  await records.close();
  return key;
}

/** A database of the same server with a table of results; its address. */
async function peersDatabase(url: string): Promise<string> {
  const made = new URL(url);
  made.pathname = '/peers';
  await execute(url, 'create database peers');
  await execute(
    made.href,
    'create table results (id bigint generated always as identity primary key, filename text, result int, at timestamptz not null default now())',
  );
  return made.href;
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
