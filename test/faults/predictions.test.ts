import { random } from '@darkroom/media/testing/film/pictures.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestStack } from '../harness/stack.ts';
import { askUnderBlows, type Crowd, knownPictures } from './predictions/crowd.ts';
import { type House, openHouse, type Replaced } from './predictions/house.ts';
import { judge } from './predictions/verdict.ts';

/** Predictions of a crowd whose servers die, or are restarted. The long form is `npm run bench -- predict-faults`. */

let stack: Awaited<ReturnType<typeof startTestStack>>;
let house: House;
let crowd: Crowd;

beforeAll(async () => {
  stack = await startTestStack('predictions');
  house = await openHouse(stack);
  const at = { url: house.balancer.url, key: house.key };
  const pictures = await knownPictures(12, at);
  // Longer than the slowest machine takes to start a worker.
  crowd = { ...at, pictures, clients: 12, deadline: 60, random: random(7), corrupt: 0.05, leaving: 0.05 };
}, 300_000);
afterAll(async () => {
  await house?.close();
  await stack?.close();
}, 180_000);

test('workers, lanes and an API die: each is answered with its own, recorded once, and nothing is left', async () => {
  const killed: Replaced[] = [];
  const blows = [
    () => house.killLane(0),
    () => house.worker.replace(0, 'SIGKILL'),
    async () => {
      killed.push(await house.api.replace(1, 'SIGKILL'));
    },
    () => house.killLane(1),
  ];
  const all = await askUnderBlows(crowd, { least: 260, blows });
  const verdict = await judge(all, house.records, killed);
  expect([verdict.others, verdict.faults]).toEqual([{}, []]);
  expect(verdict.lostWithApi).toBeLessThanOrEqual(crowd.clients);
  expect(await house.rest()).toBe(0);
});

test('an API and a worker are restarted: no request fails', async () => {
  const ends: unknown[] = [];
  const blows = (['api', 'worker'] as const).map((which) => async () => {
    ends.push((await house[which].replace(0, 'SIGTERM')).how);
  });
  const all = await askUnderBlows(crowd, { least: 140, blows });
  const verdict = await judge(all, house.records);
  expect([verdict.others, verdict.faults, verdict.lostWithApi]).toEqual([{}, [], 0]);
  expect(ends).toEqual([0, 0]);
  expect(await house.rest()).toBe(0);
});

test('clients leave at any moment: the next one is answered, and nothing is left', async () => {
  const alike = { ...crowd, corrupt: 0 };
  const all = await askUnderBlows({ ...alike, leaving: 1 }, { least: 120, blows: [] });
  expect(all.filter(({ status }) => status !== undefined)).toEqual([]);
  const next = await askUnderBlows({ ...alike, leaving: 0, clients: 1 }, { least: 1, blows: [] });
  expect(await judge(next, house.records)).toMatchObject({ faults: [], answered: 1 });
  expect(await house.rest()).toBe(0);
});
