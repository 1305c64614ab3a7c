import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFailpoints, type FailpointPlan, failpoint, parseJournal } from './failpoint.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-failpoint-'));
});
afterEach(() => rm(folder, { recursive: true }));

const program = `
  import { failpoint } from '${import.meta.dirname}/failpoint.ts';
  for (let i = 1; i <= 20; i++) {
    console.log(i);
    await failpoint('step', 'photo-' + i + '.jpg');
  }`;
const command = ['--input-type=module', '--eval', program];

/** Runs a program of twenty steps with a failpoint in each; how many it reached, and how it ended. */
function run(plan: unknown, env: NodeJS.ProcessEnv = {}) {
  const ended = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, DARKROOM_FAILPOINTS: JSON.stringify(plan), ...env },
  });
  return { steps: ended.stdout.split('\n').length - 1, signal: ended.signal, stderr: ended.stderr };
}

const readActs = async (path: string) => parseJournal(await readFile(path, 'utf8'));

test('without a plan nothing happens, and nothing is made to wait', () => {
  expect(failpoint('step', 'detail')).toBeUndefined();
});

describe('kill', () => {
  test('ends the process at the detail named, after one line that says so', () => {
    const { steps, signal, stderr } = run({ points: { step: { killWhen: 'photo-5.' } } });
    expect({ steps, signal }).toEqual({ steps: 5, signal: 'SIGKILL' });
    expect(stderr).toMatch(/^failpoint \{.*"point":"step","detail":"photo-5.jpg","action":"killWhen"\}\n$/);
  });

  test('by chance hits the same step with the same seed, and elsewhere with another', () => {
    const at = (seed: number) => run({ seed, points: { step: { kill: 0.15 } } }).steps;
    const steps = [1, 1, 2, 3].map(at);
    expect(steps[0]).toBe(steps[1]);
    expect(new Set(steps).size).toBeGreaterThan(1);
  });

  test('with a journal a restarted process draws anew, and `times` counts over restarts', async () => {
    const journal = join(folder, 'journal');
    const plan = { seed: 3, journal, points: { step: { kill: 0.3, times: 3 } } };
    const lives = [1, 2, 3, 4].map(() => run(plan));
    expect(lives.map(({ signal }) => signal)).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL', null]);
    expect(new Set(lives.slice(0, 3).map(({ steps }) => steps)).size).toBeGreaterThan(1);
    expect(lives[3]).toMatchObject({ steps: 20 });
    expect((await readActs(journal)).map(({ action }) => action)).toEqual(['kill', 'kill', 'kill']);
  });

  test('once at each detail, whichever process comes there first', async () => {
    const journal = join(folder, 'journal of details');
    const plan = { journal, points: { step: { killOnce: ['photo-5.jpg', 'photo-7.jpg'] } } };
    expect([1, 2, 3].map(() => run(plan).steps)).toEqual([5, 7, 20]);
    expect((await readActs(journal)).map(({ detail }) => detail)).toEqual(['photo-5.jpg', 'photo-7.jpg']);
  });

  test('is off in production', () => {
    const plan = { points: { step: { kill: 1 } } };
    expect(run(plan, { DARKROOM_MODE: 'production' })).toEqual({ steps: 20, signal: null, stderr: '' });
  });
});

test('stop halts the process until it is continued', async () => {
  const plan = { points: { step: { stop: true, times: 1 } } };
  const child = spawn(process.execPath, command, {
    env: { PATH: process.env.PATH, DARKROOM_FAILPOINTS: JSON.stringify(plan) },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const state = async () => (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.[0];
  child.stdout.resume();
  await expect.poll(state, { timeout: 5000 }).toBe('T');
  child.kill('SIGCONT');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

describe('in one process', () => {
  const plan = (points: FailpointPlan['points']): FailpointPlan => ({ seed: 1, points });

  test('an error has the code that was asked for, so many times', async () => {
    const hit = createFailpoints(plan({ a: { error: 'storage_unavailable', times: 1 } }));
    await expect(hit('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(hit('a')).resolves.toBeUndefined();
    await expect(hit('b')).resolves.toBeUndefined();
  });

  test('a delay is waited for', async () => {
    const hit = createFailpoints(plan({ a: { delayMs: 60 } }));
    const started = performance.now();
    await hit('a');
    expect(performance.now() - started).toBeGreaterThanOrEqual(55);
  });

  test('a delay may be for some details alone', async () => {
    const hit = createFailpoints(plan({ a: { delayMs: 60, when: '4' } }));
    const waited = async (detail: string) => {
      const started = performance.now();
      await hit('a', detail);
      return performance.now() - started;
    };
    expect(await waited('4')).toBeGreaterThanOrEqual(55);
    expect(await waited('5')).toBeLessThan(55);
  });
});

test('a journal is read up to its last whole line, wherever a reader meets the writer', () => {
  const act = { at: '2026-01-01T00:00:00.000Z', pid: 1, point: 'step', action: 'kill' };
  const line = `${JSON.stringify(act)}\n`;
  for (let cut = 0; cut <= line.length; cut++) {
    expect(parseJournal(line + line.slice(0, cut))).toEqual(cut === line.length ? [act, act] : [act]);
  }
});
