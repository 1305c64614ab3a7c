import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LaneDied, LaneEnded, LaneStalled } from '../errors.ts';
import { trialBuild, type trialShape } from '../testing/trial.ts';
import { type Lane, openLane } from './lane.ts';

type Trial = Lane<typeof trialShape>;
const isThere = ({ pid }: { pid: number }) => existsSync(`/proc/${pid}`);
const open = (build: Partial<typeof trialBuild> = {}) =>
  openLane({ ...trialBuild, ...build }, { greeting: 'good day' });
const gather = async <T>(answers: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const answer of answers) all.push(answer);
  return all;
};
const reverse = (lane: Trial, ...bodies: Uint8Array[]) => lane.ask('reverse', { params: { add: 0 }, bodies });
const misbehave = (
  lane: Trial,
  how: 'spin' | 'exit' | 'throw' | 'problem' | 'memory' | 'lie' | 'garbage' | 'abort',
) => lane.ask('misbehave', { params: { how } });

it.skipIf(process.platform !== 'linux').each(['auto', 'off'] as const)(
  'makes way for others as its build says, in all its threads, sandbox %s',
  async (sandbox) => {
    const lane = await open({ nice: 7, sandbox });
    try {
      expect(getPriority(lane.pid)).toBe(7);
      const threads = readdirSync(`/proc/${lane.pid}/task`);
      expect(threads.length).toBeGreaterThan(1);
      // proc(5): the 19th field.
      const nice = threads.map(
        (thread) =>
          readFileSync(`/proc/${lane.pid}/task/${thread}/stat`, 'utf8')
            .replace(/^.*\) /s, '')
            .split(' ')[16],
      );
      // Without a sandbox the process that was started is the lane: its first threads were there before.
      if (sandbox === 'auto') expect(new Set(nice)).toEqual(new Set(['7']));
      expect(nice[0]).toBe('7');
    } finally {
      await lane.close();
    }
  },
);

it.skipIf(process.platform !== 'linux')('makes way no less than who opens it', async () => {
  const script = `
    import { getPriority } from 'node:os';
    import { openLane } from ${JSON.stringify(new URL('lane.ts', import.meta.url).href)};
    import { trialBuild } from ${JSON.stringify(new URL('../testing/trial.ts', import.meta.url).href)};
    const lane = await openLane({ ...trialBuild, nice: 7 }, { greeting: 'good day' });
    console.log(JSON.stringify([getPriority(), getPriority(lane.pid)]));
    await lane.close();`;
  const node = [process.execPath, '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)('nice', ['-n', '9', ...node]);
  const [own, ofLane] = JSON.parse(stdout);
  expect(own).toBeGreaterThanOrEqual(9);
  expect(ofLane).toBe(own);
});

describe('a lane', () => {
  let lane: Trial;
  beforeAll(async () => {
    lane = await open();
  });
  afterAll(() => lane.close());

  it('is another process, and tells what it was opened with', () => {
    expect(lane.pid).not.toBe(process.pid);
    expect(lane.told).toEqual({ greeting: 'good day', pid: lane.pid });
  });

  it('answers each item of a list with a typed result and bytes, and the next list too', async () => {
    for (const length of [0, 1, 3_000_001]) {
      const bytes = randomBytes(length);
      const items = [0, 1].map((add) => ({ params: { add }, bodies: [bytes, Buffer.from([1, 2])] }));
      const answers = await gather(lane.run('reverse', items));
      expect(answers.map(({ item, type }) => [item, type])).toEqual([
        [0, 'result'],
        [1, 'result'],
      ]);
      for (const { bodies } of answers) {
        expect(Buffer.from(bodies[0] ?? []).equals(Buffer.from(bytes).reverse())).toBe(true);
        expect([...(bodies[1] ?? [])]).toEqual([2, 1]);
      }
      expect(answers[1]).toMatchObject({ result: { sums: [expect.any(Number), 4] } });
    }
    expect(await gather(lane.run('reverse', []))).toEqual([]);
  });

  it('has several lists under way', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map((n) => reverse(lane, Buffer.from([n, 0]))));
    expect(answers.map(({ bodies }) => bodies[0]?.[1])).toEqual([1, 2, 3, 4]);
  });

  it('enters each stage when its parent says so', async () => {
    const seen: string[] = [];
    const items = [0, 1].map((add) => ({ params: { add } }));
    const onStage = async (stage: string, item: number, pid: number) => {
      await sleep(1);
      seen.push(`${item} ${stage} ${pid === lane.pid}`);
      if (stage === 'turn' && item === 0) throw new Error('not wanted');
    };
    const answers = await gather(lane.run('reverse', items, { onStage }));
    expect(seen).toEqual(['0 look true', '0 turn true', '1 look true', '1 turn true']);
    expect(answers).toMatchObject([
      { item: 0, type: 'failed', error: { message: 'not wanted' } },
      { item: 1, type: 'result' },
    ]);
  });

  it('streams events, and waits while nobody takes them', async () => {
    const seen: number[] = [];
    const events = lane.run('stream', [{ params: { events: 300, bytes: 1 << 20 } }]);
    for await (const answer of events) {
      if (answer.type === 'event') seen.push(answer.event.number);
      expect(process.memoryUsage().arrayBuffers).toBeLessThan(250 << 20);
    }
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  it('reads through its parent', async () => {
    const bytes = randomBytes(1_000_003);
    const source = {
      size: bytes.length,
      read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
    };
    const params = { size: bytes.length, step: 100_000 };
    const { bodies } = await lane.ask('read', { params, source });
    expect(Buffer.concat(bodies).equals(bytes)).toBe(true);
  });

  it('fails an item by the problem it has, and goes on', async () => {
    await expect(misbehave(lane, 'problem')).rejects.toMatchObject({
      name: 'ProblemError',
      code: 'truncated_image',
    });
    await expect(misbehave(lane, 'throw')).rejects.toThrow('nobody foresaw this');
    expect((await reverse(lane)).result).toEqual({ sums: [] });
  });
});

describe('a lane ends', () => {
  it('when it cannot be opened', async () => {
    let pid = 0;
    const opening = openLane(trialBuild, { greeting: 'no' }, { onStart: (child) => (pid = child) });
    await expect(opening).rejects.toMatchObject({ name: 'ProblemError', code: 'unsupported_model' });
    expect(isThere({ pid })).toBe(false);
  });

  it('by itself, and tells all it had in hand how', async () => {
    const lane = await open();
    const asked = Promise.withResolvers<void>();
    const read = (): Promise<never> => {
      asked.resolve();
      return new Promise(() => {});
    };
    const beside = lane.ask('read', { params: { size: 1, step: 1 }, source: { size: 1, read } });
    const others = beside.catch((error: unknown) => error);
    // Its parent waits for bytes that do not come, and hears of its end all the same.
    await asked.promise;
    process.kill(lane.pid, 'SIGSEGV');
    expect(await others).toBeInstanceOf(LaneDied);
    expect(await others).toMatchObject({ signal: 'SIGSEGV', exitCode: null });
    await expect(reverse(lane)).rejects.toThrow(LaneDied);
    const next = await open();
    await expect(misbehave(next, 'exit')).rejects.toMatchObject({ exitCode: 7, stderr: 'going away' });
  });

  it.each(['lie', 'garbage'] as const)('when what it says is no answer: %s', async (how) => {
    const lane = await open();
    await expect(misbehave(lane, how)).rejects.toThrow(LaneEnded);
    expect(isThere(lane)).toBe(false);
  });

  it('when it gives no sign of life', async () => {
    const lane = await open({ stallSeconds: 1 });
    await expect(misbehave(lane, 'spin')).rejects.toThrow(LaneStalled);
    expect(isThere(lane)).toBe(false);
  });

  it('when it takes more memory than it may: the one item’s problem, or of several nobody’s', async () => {
    const lane = await open({ memoryBytes: 200e6 });
    await expect(misbehave(lane, 'memory')).rejects.toMatchObject({
      name: 'ProblemError',
      code: 'memory_limit',
    });
    const next = await open({ memoryBytes: 200e6 });
    const items = (['memory', 'problem'] as const).map((how) => ({ params: { how } }));
    await expect(gather(next.run('misbehave', items))).rejects.toMatchObject({
      name: 'LaneEnded',
      cause: { code: 'memory_limit' },
    });
    expect([lane, next].map(isThere)).toEqual([false, false]);
  });

  it.each([
    ['that is over its time', { how: 'spin' }, { deadlineSeconds: 0.5 }],
    ['that computes too long before it has begun', { how: 'spin' }, { beginSeconds: 0.3 }],
  ] as const)('with a task %s', async (_, params, options) => {
    const lane = await open();
    await expect(lane.ask('misbehave', { params }, options)).rejects.toMatchObject({ code: 'item_timeout' });
    expect(isThere(lane)).toBe(false);
  });

  it('with a cancelled task, by its reason, and the others may be done again', async () => {
    const lane = await open();
    const cancel = new AbortController();
    let asked = () => {};
    const asks = new Promise<void>((resolve) => (asked = resolve));
    const read = () => new Promise<never>(() => asked());
    const cancelled = lane.ask(
      'read',
      { params: { size: 1, step: 1 }, source: { size: 1, read } },
      { signal: cancel.signal },
    );
    const ends = Promise.allSettled([cancelled, reverse(lane)]);
    await asks;
    const reason = new Error('cancelled');
    cancel.abort(reason);
    expect(await ends).toMatchObject([{ reason }, { reason: { name: 'LaneEnded', cause: reason } }]);
    expect(isThere(lane)).toBe(false);
  });

  it('when nobody wants more', async () => {
    const lane = await open();
    for await (const _ of lane.run('stream', [{ params: { events: 1000, bytes: 1 << 20 } }])) break;
    expect(isThere(lane)).toBe(false);
    expect(lane.ended).toBeInstanceOf(LaneEnded);
  });

  it.each(['idle', 'busy'])('with its parent, %s', async (state) => {
    const url = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
    const script = `
      import { openLane } from ${url('lane.ts')};
      import { trialBuild } from ${url('../testing/trial.ts')};
      const lane = await openLane(trialBuild, { greeting: 'hello' });
      console.log(lane.pid);
      setInterval(() => {}, 1000);
      if (${state === 'busy'}) await lane.ask('misbehave', { params: { how: 'spin' } });`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const lane = { pid: Number(printed.toString()) };
    expect(isThere(lane)).toBe(true);
    parent.kill('SIGKILL');
    while (isThere(lane)) await sleep(20);
  });

  it('does not keep its parent from ending while it is idle', async () => {
    const url = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
    const script = `
      import { openLane } from ${url('lane.ts')};
      import { trialBuild } from ${url('../testing/trial.ts')};
      const lane = await openLane(trialBuild, { greeting: 'hello' });
      const { result } = await lane.ask('reverse', { params: { add: 1 }, bodies: [new Uint8Array([4])] });
      console.log(result.sums[0]);`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    expect(printed.toString().trim()).toBe('5');
    const [code] = await once(parent, 'exit');
    expect(code).toBe(0);
  });
});
