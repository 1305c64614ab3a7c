import { afterEach, expect, it } from 'vitest';
import { LaneEnded } from '../errors.ts';
import { openLane } from '../parent/lane.ts';
import { trialBuild, type trialShape } from '../testing/trial.ts';
import { type Holder, LaneBudget } from './budget.ts';
import { LanePool } from './pool.ts';

const never = new AbortController().signal;
const always = () => true;

/** A pool whose lanes are numbers: when each began to rest, undefined while it works. */
class Counted implements Holder {
  readonly rests: (number | undefined)[] = [];
  readonly ends: (() => void)[] = [];
  openSince: number | undefined = 0;
  keepsLast = false;
  given = 0;
  get count(): number {
    return this.rests.length;
  }
  get restsSince(): number | undefined {
    const resting = this.rests.filter((since) => since !== undefined);
    return resting.length === 0 ? undefined : Math.min(...resting);
  }
  giveUp(): Promise<void> {
    this.given++;
    const at = this.rests.findIndex((since) => since !== undefined);
    this.rests.splice(Math.max(0, at), 1);
    // It ends when somebody says so.
    return new Promise((resolve) => this.ends.push(resolve));
  }
}

let now = 0;
async function house(most: number, ...lanes: (number | undefined)[][]) {
  now = 10_000;
  const budget = new LaneBudget(most, () => now);
  const backs: (() => void)[] = [];
  const holders = [];
  for (const rests of lanes) {
    const holder = new Counted();
    budget.join(holder);
    for (const since of rests) {
      backs.push(await budget.take(holder, always, never));
      holder.rests.push(since);
    }
    holders.push(holder);
  }
  const asks = (holder: Holder, needed = always) => {
    const asked = { placed: false };
    void budget.take(holder, needed, never).then(() => {
      asked.placed = true;
    });
    return asked;
  };
  return { budget, holders, backs, asks };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('has the lane end that has rested longest, and gives its room when it is gone', async () => {
  const { holders, backs, asks } = await house(3, [200], [100], [undefined]);
  const fresh = new Counted();
  const asked = asks(fresh);
  expect(holders.map(({ given }) => given)).toEqual([0, 1, 0]);
  await settled();
  expect(asked.placed).toBe(false);
  holders[1]!.ends[0]!();
  backs[1]!();
  await settled();
  expect(asked.placed).toBe(true);
});

it('takes from who has most where all work, as many as wait and no more', async () => {
  const { holders, asks } = await house(4, [undefined, undefined, undefined], [undefined]);
  const fresh = new Counted();
  asks(fresh);
  asks(fresh);
  expect(holders.map(({ given }) => given)).toEqual([2, 0]);
});

it('takes no pool’s last lane for another’s second one, nor one that is kept', async () => {
  const { holders, asks } = await house(2, [undefined], [100]);
  const [first, kept] = holders;
  kept!.keepsLast = true;
  const asked = asks(first!, () => false);
  await settled();
  expect([first!.given, kept!.given, asked.placed]).toEqual([0, 0, false]);
  // Whoever has none goes before, and may have it.
  asks(new Counted());
  expect(kept!.given).toBe(1);
});

it('has pools take turns where each has one lane that works, after a while', async () => {
  const { budget, holders, asks } = await house(2, [undefined], [undefined]);
  const [first, second] = holders;
  first!.openSince = now - 1000;
  second!.openSince = now - 4000;
  asks(new Counted());
  expect([first!.given, second!.given]).toEqual([0, 0]);
  now += 1000;
  budget.look();
  expect([first!.given, second!.given]).toEqual([0, 1]);
});

it('forgets who gives up waiting', async () => {
  const { budget, backs } = await house(1, [undefined]);
  const calling = new AbortController();
  const waiting = budget.take(new Counted(), () => false, calling.signal);
  calling.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  backs[0]!();
  expect(budget.free).toBe(1);
});

const pools: LanePool<typeof trialShape>[] = [];
afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.close())));
const poolOf = (budget: LaneBudget, lanes: number, keepsOne = false) => {
  const open = () => openLane(trialBuild, { greeting: 'hello' });
  const pool = new LanePool({ open, lanes, inHand: 2, itemSeconds: 60, budget, keepsOne: () => keepsOne });
  pools.push(pool);
  return pool;
};
const reverse = async (pool: LanePool<typeof trialShape>, name: string, onStage = async () => {}) => {
  const { bodies } = await pool.ask(
    'reverse',
    { name, params: { add: 0 }, bodies: [Buffer.from(name)] },
    { onStage },
  );
  return Buffer.concat(bodies).toString();
};

it('more pools than there is room for lanes all get their answers, and no more lanes are open at a time', async () => {
  const budget = new LaneBudget(2);
  const many = [1, 2, 3, 4].map(() => poolOf(budget, 2));
  const open = () => many.reduce((sum, { pids }) => sum + pids.length, 0);
  let most = 0;
  const look = async () => {
    most = Math.max(most, open());
  };
  const names = ['ab', 'cd', 'ef'];
  const answers = await Promise.all(
    many.map((pool) => Promise.all(names.map((name) => reverse(pool, name, look)))),
  );
  expect(answers).toEqual(many.map(() => ['ba', 'dc', 'fe']));
  expect(most).toBe(2);
}, 90_000);

it('ends for good when what was asked is answered, and leaves its room to others', async () => {
  const budget = new LaneBudget(1);
  const [leaving, next] = [poolOf(budget, 1), poolOf(budget, 1)];
  const [entered, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const held = reverse(leaving, 'ab', () => {
    entered.resolve();
    return go.promise;
  });
  await entered.promise;
  const ended = leaving.end();
  go.resolve();
  expect(await held).toBe('ba');
  await ended;
  expect(leaving.pids).toEqual([]);
  await expect(leaving.told()).rejects.toThrow(LaneEnded);
  expect(await reverse(next, 'cd')).toBe('dc');
});

it('keeps one lane where nobody asks for anything, if it is told to', async () => {
  const budget = new LaneBudget(2);
  const open = () => openLane(trialBuild, { greeting: 'hello' });
  const pool = new LanePool({
    open,
    lanes: 2,
    inHand: 1,
    itemSeconds: 60,
    budget,
    idleSeconds: 0.01,
    keepsOne: () => true,
  });
  pools.push(pool);
  await Promise.all([reverse(pool, 'ab'), reverse(pool, 'cd')]);
  await expect.poll(() => pool.pids.length).toBe(1);
  await expect.poll(() => budget.free).toBe(1);
});
