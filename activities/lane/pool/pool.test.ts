import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { LaneEnded } from '../errors.ts';
import { openLane } from '../parent/lane.ts';
import { trialBuild, type trialShape } from '../testing/trial.ts';
import { LanePool, type PoolOptions } from './pool.ts';

let pool: LanePool<typeof trialShape>;
let started: number[];

function poolOf(options: Partial<PoolOptions<typeof trialShape>> = {}) {
  started = [];
  pool = new LanePool({
    open: () => openLane(trialBuild, { greeting: 'hello' }, { onStart: (pid) => started.push(pid) }),
    lanes: 2,
    inHand: 2,
    itemSeconds: 60,
    ...options,
  });
  return pool;
}
afterEach(() => pool.close());

type Stage = (stage: string, pid: number) => void | Promise<void>;
const reverse = (name: string, onStage: Stage = () => {}, signal?: AbortSignal) =>
  pool.ask(
    'reverse',
    { name, params: { add: 0 }, bodies: [Buffer.from(name)] },
    { onStage, ...(signal && { signal }) },
  );
const textOf = ({ bodies }: { bodies: readonly Uint8Array[] }) => Buffer.concat(bodies).toString();

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it('shares lanes among those who ask, and opens another when all hands are full', async () => {
  poolOf();
  const names = ['ab', 'cd', 'ef', 'gh', 'ij', 'kl'];
  await reverse('xy');
  expect(started).toHaveLength(1);
  const answers = await Promise.all(names.map((name) => reverse(name)));
  expect(answers.map(textOf)).toEqual(['ba', 'dc', 'fe', 'hg', 'ji', 'lk']);
  expect(started).toHaveLength(2);
  expect([...pool.pids].sort()).toEqual([...started].sort());
});

it('names the one that ends its lane, and does the others again', async () => {
  poolOf();
  const entered = Promise.withResolvers<void>();
  const dying = pool.ask('misbehave', { name: 'bad.jpg', params: { how: 'exit' } });
  const beside = reverse('ab', () => entered.resolve());
  await entered.promise;
  await expect(dying).rejects.toMatchObject({
    code: 'poisonous_item',
    message: expect.stringMatching(/^bad\.jpg ended .* alone.*exit code 7.*going away/),
  });
  expect(textOf(await beside)).toBe('ba');
  expect(textOf(await reverse('cd'))).toBe('dc');
});

it('blames nobody for a lane that somebody else killed', async () => {
  poolOf({ lanes: 1, inHand: 3 });
  let kills = 0;
  const kill: Stage = (stage, pid) => {
    if (stage === 'turn' && kills++ < 2) process.kill(pid, 'SIGKILL');
  };
  const answers = await Promise.all(['ab', 'cd', 'ef'].map((name) => reverse(name, kill)));
  expect(answers.map(textOf)).toEqual(['ba', 'dc', 'fe']);
});

it('names one under which its lane is killed whenever it is alone there', async () => {
  poolOf();
  const kill: Stage = (_, pid) => void process.kill(pid, 'SIGKILL');
  await expect(reverse('bad.jpg', kill)).rejects.toMatchObject({ code: 'poisonous_item' });
});

it.each([
  ['memory', 'memory_limit', 60],
  ['spin', 'item_timeout', 0.5],
] as const)(
  'says what the limit was where an item takes %s without end',
  async (how, code, itemSeconds) => {
    poolOf({ itemSeconds, memoryVariable: 'SOME_MEMORY' });
    const asked = pool.ask('misbehave', { name: 'bad.jpg', params: { how } });
    await expect(asked).rejects.toMatchObject({
      code,
      message: expect.stringMatching(how === 'memory' ? /^bad\.jpg: .*SOME_MEMORY/ : /^bad\.jpg: /),
    });
  },
  30_000,
);

it('passes on what is wrong with an item, and keeps the lane', async () => {
  poolOf();
  const asked = pool.ask('misbehave', { name: 'half.jpg', params: { how: 'problem' } });
  await expect(asked).rejects.toMatchObject({ code: 'truncated_image' });
  await reverse('ab');
  expect(started).toHaveLength(1);
});

it('believes an item that it lacks memory only where it was alone', async () => {
  poolOf({ memoryVariable: 'SOME_MEMORY' });
  const asked = pool.ask('misbehave', { name: 'large.jpg', params: { how: 'lack' } });
  await expect(asked).rejects.toMatchObject({
    code: 'memory_limit',
    message: 'large.jpg: There was no more. (SOME_MEMORY)',
  });
  expect(started).toHaveLength(2);
});

it('ends the lane at once when nobody waits for anything in it any more', async () => {
  poolOf();
  const calling = new AbortController();
  let lane = 0;
  const asked = reverse(
    'ab',
    (_, pid) => {
      lane = pid;
      calling.abort(new Error('enough'));
      return new Promise(() => {});
    },
    calling.signal,
  );
  await expect(asked).rejects.toThrow('enough');
  expect(alive(lane)).toBe(false);
  expect(textOf(await reverse('cd'))).toBe('dc');
});

it('leaves a lane alone in which others are still wanted', async () => {
  poolOf({ lanes: 1 });
  const calling = new AbortController();
  const [entered, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const wanted = reverse('ab', async () => {
    entered.resolve();
    await go.promise;
  });
  await entered.promise;
  const unwanted = reverse('cd', () => calling.abort(new Error('enough')), calling.signal);
  await expect(unwanted).rejects.toThrow('enough');
  go.resolve();
  expect(textOf(await wanted)).toBe('ba');
  expect(started).toHaveLength(1);
});

it('gives the next place to the owner who has used them least, not to whoever came first', async () => {
  poolOf({ lanes: 1, inHand: 1 });
  const order: string[] = [];
  const [entered, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const of = (owner: string, name: string) =>
    pool.ask(
      'reverse',
      { name, params: { add: 0 } },
      {
        owner,
        async onStage(stage) {
          if (stage === 'look') order.push(name);
          if (name !== 'a1' || stage !== 'turn') return;
          entered.resolve();
          await go.promise;
        },
      },
    );
  const first = of('a', 'a1');
  await entered.promise;
  const others = [of('a', 'a2'), of('b', 'b1')];
  go.resolve();
  await Promise.all([first, ...others]);
  expect(order).toEqual(['a1', 'b1', 'a2']);
});

it('keeps items of an owner, of which one has ended its lane, away from those of others', async () => {
  poolOf({ lanes: 1 });
  const of = (owner: string, onStage: Stage) =>
    pool.ask('reverse', { name: owner, params: { add: 0 } }, { owner, onStage });
  const dying = pool.ask('misbehave', { name: 'bad.jpg', params: { how: 'exit' } }, { owner: 'a' });
  await expect(dying).rejects.toMatchObject({ code: 'poisonous_item' });
  const [entered, go] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()];
  const other = of('b', async (_, pid) => {
    entered.resolve(pid);
    await go.promise;
  });
  const ofOther = await entered.promise;
  const pids = new Set<number>();
  await Promise.all([1, 2].map(() => of('a', (_, pid) => void pids.add(pid))));
  expect(pids.size).toBe(1);
  expect(pids).not.toContain(ofOther);
  go.resolve();
  await other;
  // Where nobody else asks for anything, there is nobody to keep them from.
  await of('a', (_, pid) => void pids.add(pid));
  expect(pids).toContain(ofOther);
});

it('gives up waiting for a place when told to', async () => {
  poolOf({ lanes: 1, inHand: 1 });
  const calling = new AbortController();
  const [entered, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = reverse('ab', async () => {
    entered.resolve();
    await go.promise;
  });
  await entered.promise;
  const second = reverse('cd', () => {}, calling.signal);
  calling.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  go.resolve();
  expect(textOf(await first)).toBe('ba');
});

it('ends a lane after so many items, and all when there is nothing to do', async () => {
  poolOf({ lanes: 1, mostItems: 2, idleSeconds: 0.05 });
  for (const name of ['ab', 'cd', 'ef']) await reverse(name);
  expect(started).toHaveLength(2);
  await expect.poll(() => started.filter(alive)).toEqual([]);
  expect(textOf(await reverse('gh'))).toBe('hg');
});

it('gives nothing more to lanes that a new one differs from', async () => {
  let greeting = 'hello';
  poolOf({
    inHand: 1,
    open: () => openLane(trialBuild, { greeting }, { onStart: (pid) => started.push(pid) }),
    key: (told) => told.greeting,
  });
  expect((await pool.told()).greeting).toBe('hello');
  greeting = 'good day';
  const [entered, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = reverse('ab', async () => {
    entered.resolve();
    await go.promise;
  });
  await entered.promise;
  await reverse('cd');
  expect((await pool.told()).greeting).toBe('good day');
  go.resolve();
  expect(textOf(await first)).toBe('ba');
  await expect.poll(() => alive(started[0] ?? 0)).toBe(false);
  const check = ({ greeting: now }: { greeting: string }) => {
    if (now !== 'hello') throw new Error('another');
  };
  await expect(pool.ask('reverse', { name: 'x', params: { add: 0 } }, { check })).rejects.toThrow('another');
  await sleep(0);
  expect(pool.pids).toHaveLength(1);
});

it('does not mix lanes that differ where one of them was opened for an item alone', async () => {
  let greeting = 'hello';
  poolOf({
    inHand: 1,
    open: () => openLane(trialBuild, { greeting }, { onStart: (pid) => started.push(pid) }),
    key: (told) => told.greeting,
  });
  const [entered, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = reverse('ab', async () => {
    entered.resolve();
    await go.promise;
  });
  await entered.promise;
  const die: Stage = (_, pid) => {
    greeting = 'good day';
    if (started.indexOf(pid) === 1) process.kill(pid, 'SIGKILL');
  };
  expect(textOf(await reverse('cd', die))).toBe('dc');
  go.resolve();
  await first;
  expect(pool.pids).toEqual([started[0]]);
  expect((await pool.told()).greeting).toBe('hello');
});

it('is closed with all it has in hand, alone or not, and opens nothing for that', async () => {
  poolOf({ lanes: 1 });
  const [beside, alone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const stay = (entered: { resolve(): void }) => () => {
    entered.resolve();
    return new Promise<void>(() => {});
  };
  const hang = stay(alone);
  const killed = reverse('ab', (_, pid) => (pid === started[0] ? void process.kill(pid, 'SIGKILL') : hang()));
  const ends = [killed.catch((error: unknown) => error)];
  await alone.promise;
  ends.push(reverse('cd', stay(beside)).catch((error: unknown) => error));
  await beside.promise;
  const opened = started.length;
  await pool.close();
  for (const end of await Promise.all(ends)) expect(end).toBeInstanceOf(LaneEnded);
  expect(started).toHaveLength(opened);
  expect(started.filter(alive)).toEqual([]);
  expect(textOf(await reverse('ef'))).toBe('fe');
});

it('is closed with a lane that is being opened for an item alone', async () => {
  const [opening, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  poolOf({
    open: async () => {
      if (started.length === 1) {
        opening.resolve();
        await go.promise;
      }
      return openLane(trialBuild, { greeting: 'hello' }, { onStart: (pid) => started.push(pid) });
    },
  });
  const end = reverse('ab', (_, pid) => void (pid === started[0] && process.kill(pid, 'SIGKILL'))).catch(
    (error: unknown) => error,
  );
  await opening.promise;
  const closing = pool.close();
  go.resolve();
  await closing;
  expect(await end).toBeInstanceOf(LaneEnded);
  expect(started.filter(alive)).toEqual([]);
});

it('tells what a lane cannot be opened for', async () => {
  poolOf({ open: () => openLane(trialBuild, { greeting: 'no' }) });
  await expect(Promise.allSettled([reverse('ab'), reverse('cd')])).resolves.toMatchObject(
    Array(2).fill({ status: 'rejected', reason: { code: 'unsupported_model' } }),
  );
});
