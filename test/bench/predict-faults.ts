/**
 * Predictions while what makes them dies: `npm run bench -- predict-faults`. Two API processes behind a load balancer, two workers, and
 * clients that each know their own answer; workers, lanes and an API are killed, and then all are restarted one after the other by SIGTERM.
 */
import { parseArgs } from 'node:util';
import { random } from '@darkroom/media/testing/film/pictures.ts';
import {
  type Asked,
  askUnderBlows,
  type Blow,
  type Crowd,
  knownPictures,
} from '../faults/predictions/crowd.ts';
import { type House, openHouse, type Replaced } from '../faults/predictions/house.ts';
import { judge, type Verdict, waitsAfter } from '../faults/predictions/verdict.ts';
import { type Figure, gather, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';
import { quantile } from './measure/statistics.ts';

const help = `npm run bench -- predict-faults [options]

  --predictions N   at least, of each part (10000)
  --clients N       closed-loop clients (32)
  --pictures N      unlike each other, with known answers (60)
  --deadline N      seconds that clients give (10): a batch whose worker was killed is another one's after 3 s of silence
  --kills LIST      of workers, lanes and APIs (5,10,1)
  --rounds N        restarts of each API and worker by SIGTERM (2)
  --seed N          another one kills in another order (1)
  --leaving N       clients that leave, one after the other, before one that stays (1000)
  --only WHAT       kills, leaving or restarts alone`;

const { values: options } = parseArgs({
  options: {
    predictions: { type: 'string', default: '10000' },
    clients: { type: 'string', default: '32' },
    pictures: { type: 'string', default: '60' },
    deadline: { type: 'string', default: '10' },
    kills: { type: 'string', default: '5,10,1' },
    rounds: { type: 'string', default: '2' },
    leaving: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const share = { corrupt: 0.05, leaving: 0.05 };

if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const { add, wanted, report } = gather('predict-faults', options);
  say('starting Postgres, S3, Temporal, two APIs and two workers');
  const stack = await startBenchStack('bench-predict-faults', {
    SWEEP_INTERVAL_SECONDS: '60',
    LOG_LEVEL: 'info',
  });
  try {
    const house = await openHouse(stack);
    try {
      const at = { url: house.balancer.url, key: house.key };
      const pictures = await knownPictures(Number(options.pictures), at);
      say(`${pictures.length} pictures have their answers`);
      const crowd = {
        ...at,
        ...share,
        pictures,
        clients: Number(options.clients),
        deadline: Number(options.deadline),
        random: random(Number(options.seed)),
      };
      if (wanted('kills')) add('kills', await underKills(house, crowd));
      if (wanted('leaving')) add('leaving', await underLeaving(house, crowd));
      if (wanted('restarts')) add('restarts', await underRestarts(house, crowd));
    } finally {
      await house.close();
    }
  } finally {
    await stack.close();
  }
  await report();
}

async function underKills(house: House, crowd: Crowd) {
  const [workers = 0, lanes = 0, apis = 0] = options.kills.split(',').map(Number);
  const deaths = { workers: [] as number[], apis: [] as Replaced[] };
  const lanesBackMs: number[] = [];
  const blows = shuffled(
    [
      ...Array.from({ length: workers }, (_, i) => async () => {
        deaths.workers.push(performance.now());
        const { backMs } = await house.worker.replace(i % 2, 'SIGKILL');
        say(`worker ${i % 2} killed, another one after ${seconds(backMs)} s`);
      }),
      ...Array.from({ length: lanes }, (_, i) => async () => {
        lanesBackMs.push(await house.killLane(i % 2));
        say(`a lane of worker ${i % 2} killed, another one after ${seconds(lanesBackMs.at(-1))} s`);
      }),
      ...Array.from({ length: apis }, (_, i) => async () => {
        const killed = await house.api.replace(i % 2, 'SIGKILL');
        deaths.apis.push(killed);
        say(`API ${i % 2} killed, another one after ${seconds(killed.backMs)} s`);
      }),
    ],
    crowd.random,
  );
  const all = await beaten(crowd, blows);
  const verdict = await judge(all, house.records, deaths.apis);
  const waits = waitsAfter(all, deaths.workers);
  tell('kills', verdict, await house.rest());
  return {
    figures: [
      ...figuresOf('kills', verdict, all),
      {
        name: 'kills: of the rest answered 200',
        value: verdict.answered / verdict.good,
        unit: '',
        least: 0.99,
      },
      { name: 'worker killed to answer, p50', value: quantile(waits, 0.5) / 1000, unit: 's' },
      { name: 'worker killed to answer, p99', value: quantile(waits, 0.99) / 1000, unit: 's', target: 8 },
      { name: 'worker killed to answer, longest', value: Math.max(...waits) / 1000, unit: 's' },
      {
        name: 'lane killed to another one, longest',
        value: Math.max(...lanesBackMs) / 1000,
        unit: 's',
        target: 5,
      },
      { name: 'lost with the API that was killed', value: verdict.lostWithApi, unit: '' },
    ],
    raw: { verdict, waits, lanesBackMs },
  };
}

/** Clients that all leave, at any moment; then one that stays. */
async function underLeaving(house: House, crowd: Crowd) {
  const count = Number(options.leaving);
  await askUnderBlows({ ...crowd, leaving: 1 }, { least: count, blows: [] });
  const staying = { ...crowd, corrupt: 0, leaving: 0, clients: 1 };
  const next = await judge(await askUnderBlows(staying, { least: 1, blows: [] }), house.records);
  const load = await house.rest();
  say(`leaving: ${count} clients left, of the next ${next.answered} was answered; load ${load}`);
  return {
    figures: [
      { name: 'leaving: disconnects', value: count, unit: '' },
      { name: 'leaving: the next one, answered with its own', value: next.answered, unit: '', least: 1 },
      { name: 'leaving: what the gauges tell afterwards', value: load, unit: '', target: 0 },
    ],
    raw: { next },
  };
}

async function underRestarts(house: House, crowd: Crowd) {
  const [endedMs, moments]: [number[], number[]] = [[], []];
  const ends: (string | number)[] = [];
  const blows = Array.from({ length: Number(options.rounds) }, () =>
    (['api', 'worker'] as const).flatMap((which) =>
      [0, 1].map((nth) => async () => {
        const { told, how, endedMs: ended, backMs } = await house[which].replace(nth, 'SIGTERM');
        if (which === 'worker') moments.push(told);
        endedMs.push(ended);
        ends.push(how);
        say(
          `${which} ${nth} ended with ${how} after ${seconds(ended)} s, another one after ${seconds(backMs)} s`,
        );
      }),
    ),
  ).flat();
  const all = await beaten(crowd, blows);
  const verdict = await judge(all, house.records);
  tell('restarts', verdict, await house.rest());
  const waits = waitsAfter(all, moments);
  const failed = Object.values(verdict.others).reduce((sum, count) => sum + count, 0);
  return {
    figures: [
      ...figuresOf('restarts', verdict, all),
      { name: 'worker told to stop to answer, longest', value: Math.max(...waits) / 1000, unit: 's' },
      { name: 'restarts: requests that failed', value: failed, unit: '', target: 0 },
      {
        name: 'restarts: ends that were not in order',
        value: ends.filter((how) => how !== 0).length,
        unit: '',
        target: 0,
      },
    ],
    raw: { verdict, endedMs, ends },
  };
}

/** The crowd's answers to the predictions that are asked for at least, and to the blows. */
function beaten(crowd: Crowd, blows: readonly Blow[]): Promise<Asked[]> {
  const least = Number(options.predictions);
  return askUnderBlows(crowd, { least, blows, onBlow: (done) => say(`${done} predictions`) });
}

function tell(
  part: string,
  { asked, left, corrupt, good, answered, faults, others }: Verdict,
  load: number,
): void {
  say(
    `${part}: ${asked} asked, ${left} left, ${corrupt} were no pictures, ${answered} of ${good} answered; load ${load}`,
  );
  if (Object.keys(others).length > 0) say(`${part}: others: ${JSON.stringify(others)}`);
  for (const fault of faults.slice(0, 20)) console.log(`FAILED  ${fault}`);
}

function figuresOf(part: string, { faults, asked }: Verdict, all: readonly Asked[]): Figure[] {
  const seconds =
    (Math.max(...all.map(({ ended }) => ended)) - Math.min(...all.map(({ began }) => began))) / 1000;
  const ms = all.flatMap(({ began, ended, status }) => (status === 200 ? ended - began : []));
  return [
    { name: `${part}: predictions`, value: asked, unit: '' },
    { name: `${part}: a second`, value: asked / seconds, unit: '/s' },
    { name: `${part}: p50`, value: quantile(ms, 0.5), unit: 'ms' },
    { name: `${part}: p99`, value: quantile(ms, 0.99), unit: 'ms' },
    { name: `${part}: swapped, broken, unrecorded or twice`, value: faults.length, unit: '', target: 0 },
  ];
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

function seconds(ms = Number.NaN): string {
  return (ms / 1000).toFixed(1);
}
