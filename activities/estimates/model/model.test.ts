import { expect, test } from 'vitest';
import { fit } from './fit.ts';
import { type Assumed, type Estimate, Model, type Run } from './model.ts';
import { normalOf, numbers } from './testing.ts';

const assumed: Assumed = {
  seconds: { base: 0.02, per: { pixels: 1e-7, planes: 0.01 } },
  bytes: { base: 3000, per: { pixels: 4 }, spread: 1.5 },
};

/** A house whose seconds are 0.05 + 4e-7 a pixel + 0.03 a plane, times an error: a normal one, and now and then a long wait. */
function house(seed: number, { spread = 0.3, waits = 0 } = {}) {
  const number = numbers(seed);
  return (): Run & { bytes: number } => {
    const pixels = 10 ** (4 + 3 * number());
    const planes = 1 + Math.floor(5 * number());
    const right = 0.05 + 4e-7 * pixels + 0.03 * planes;
    const wait = number() < waits ? 5 + 20 * number() : 1;
    return {
      features: { pixels, planes },
      seconds: right * Math.exp(spread * normalOf(number)) * wait,
      bytes: 3000 + 2 * pixels,
    };
  };
}
const rightOf = ({ pixels = 0, planes = 0 }: Run['features']) => 0.05 + 4e-7 * pixels + 0.03 * planes;
const runsOf = (next: () => Run, count: number): Run[] => Array.from({ length: count }, next);

/** How the next runs come out against a model of so many before; now and then it learns of those that have ended. */
function after(next: () => Run, runs: number, then = 600) {
  const history = runsOf(next, runs);
  const told: { run: Run; estimate: Estimate }[] = [];
  let model = new Model(history, assumed);
  for (let nth = 0; nth < then; nth++) {
    if (nth % 20 === 0) model = new Model(history.slice(-200), assumed);
    const run = next();
    const estimate = model.estimate(run.features);
    told.push({ run, estimate });
    history.push({ ...run, estimated: estimate.seconds });
  }
  const off = told
    .map(({ run, estimate }) => estimate.seconds.p50 / rightOf(run.features))
    .sort((a, b) => a - b);
  return {
    within: told.filter(({ run, estimate }) => run.seconds <= estimate.seconds.p90).length / then,
    middle: off[then >> 1]!,
    worst: Math.max(...off.map((ratio) => Math.max(ratio, 1 / ratio))),
    error: new Model(history.slice(-200), assumed).estimate({}).error,
  };
}

test('before anything has run an estimate is what is assumed, and says that it stands on no run', () => {
  const { seconds, bytes, runs, error } = new Model([], assumed).estimate({ pixels: 1e6, planes: 3 });
  expect(seconds.p50).toBeCloseTo(0.15, 6);
  expect(seconds.p90).toBeGreaterThan(0.27);
  expect(seconds.p90).toBeLessThan(0.33);
  expect(bytes!.p50).toBeCloseTo(4_003_000, -1);
  expect(bytes!.p90 / bytes!.p50).toBeCloseTo(1.5, 1);
  expect({ runs, error }).toEqual({ runs: 0, error: null });
});

test('a first run moves the estimate most of the way to what it took, for other sizes too', () => {
  const model = new Model([{ features: { pixels: 1e6, planes: 3 }, seconds: 1.5 }], assumed);
  const { seconds, runs } = model.estimate({ pixels: 1e6, planes: 3 });
  expect(runs).toBe(1);
  expect(seconds.p50).toBeGreaterThan(0.5);
  expect(seconds.p50).toBeLessThan(1.5);
  expect(model.estimate({ pixels: 1e8, planes: 3 }).seconds.p50).toBeGreaterThan(30);
});

test('a small run that was slow is not put down to its few pixels: a large one is not expected to take minutes', () => {
  const model = new Model([{ features: { pixels: 400, planes: 1 }, seconds: 1 }], assumed);
  expect(model.estimate({ pixels: 400, planes: 1 }).seconds.p50).toBeGreaterThan(0.5);
  // Assumed: 0.13 s.
  expect(model.estimate({ pixels: 1e6, planes: 1 }).seconds.p90).toBeLessThan(10);
});

test.each([
  ['a normal spread', { spread: 0.3 }],
  ['a wide one', { spread: 0.8 }],
  ['a long wait in each twentieth', { spread: 0.3, waits: 0.05 }],
])('with %s it converges, and nine in ten end within their p90', (_, options) => {
  for (const seed of [1, 2, 3]) {
    const { within, middle, worst, error } = after(house(seed, options), 200);
    expect(within).toBeGreaterThan(0.85);
    expect(within).toBeLessThan(0.95);
    expect(middle).toBeGreaterThan(0.85);
    expect(middle).toBeLessThan(1.18);
    expect(worst).toBeLessThan(2);
    expect(error).toMatchObject({ runs: 200 });
    expect(error!.withinP90).toBeGreaterThan(0.83);
    expect(error!.ratio).toBeGreaterThan(0.8);
    expect(error!.ratio).toBeLessThan(1.25);
  }
});

test('twenty runs are enough for a factor of 1.5 in the middle', () => {
  const { middle, within } = after(house(4), 20, 40);
  expect(middle).toBeGreaterThan(1 / 1.5);
  expect(middle).toBeLessThan(1.5);
  expect(within).toBeGreaterThan(0.75);
});

test.each([1000, 0.001])('a run of %s times its seconds changes next to nothing', (times) => {
  const history = runsOf(house(5), 30);
  const poisoned = [...history, { ...history[3]!, seconds: history[3]!.seconds * times }];
  for (const features of [
    { pixels: 2e4, planes: 1 },
    { pixels: 1e6, planes: 3 },
    { pixels: 8e6, planes: 5 },
  ]) {
    const before = new Model(history, assumed).estimate(features).seconds;
    const since = new Model(poisoned, assumed).estimate(features).seconds;
    expect(since.p50 / before.p50).toBeGreaterThan(0.85);
    expect(since.p50 / before.p50).toBeLessThan(1.15);
    expect(since.p90 / before.p90).toBeGreaterThan(0.8);
    expect(since.p90 / before.p90).toBeLessThan(1.5);
  }
});

test('where everything takes twice as long from now on, the estimates follow', () => {
  const next = house(6);
  const slower = runsOf(next, 60).map((run) => ({ ...run, seconds: run.seconds * 3 }));
  const before = new Model(runsOf(next, 140), assumed).estimate({ pixels: 1e6, planes: 3 });
  const since = new Model([...runsOf(next, 80), ...slower], assumed).estimate({ pixels: 1e6, planes: 3 });
  expect(since.seconds.p50 / before.seconds.p50).toBeGreaterThan(1.5);
});

test('more of something is not taken to save time because it did by chance', () => {
  const runs = Array.from({ length: 50 }, (_, i) => ({
    features: { pixels: 1e6, planes: 1 + (i % 5) },
    amount: 1 - 0.1 * (i % 5),
    weight: 1,
  }));
  const { base, per } = fit(runs, assumed.seconds);
  expect(per.planes).toBe(0);
  expect(base + per.pixels! * 1e6).toBeGreaterThan(0.7);
});

test('what no run had costs what is assumed, larger as all else was', () => {
  const runs = Array.from({ length: 50 }, () => ({ features: { pixels: 1e6 }, seconds: 1.2 }));
  const { seconds } = new Model(runs, assumed).estimate({ pixels: 1e6, planes: 40 });
  // Tenfold: 0.1 a plane.
  expect(seconds.p50).toBeGreaterThan(4);
  expect(seconds.p50).toBeLessThan(6.5);
});

test('bytes are learnt beside seconds, from the runs that tell them', () => {
  const runs = runsOf(house(7), 40).map((run, i) => (i % 2 === 0 ? run : { ...run, bytes: null }));
  const { bytes } = new Model(runs, assumed).estimate({ pixels: 1e6, planes: 3 });
  expect(bytes!.p50 / 2_003_000).toBeGreaterThan(0.9);
  expect(bytes!.p50 / 2_003_000).toBeLessThan(1.1);
  expect(bytes!.p90).toBeGreaterThanOrEqual(bytes!.p50);
  const { bytes: none } = new Model(runs, { seconds: assumed.seconds }).estimate({ pixels: 1 });
  expect(none).toBeNull();
});
