/** How good estimates of jobs are once some have run, over a model of a house: seeded, without a clock. */
import { expect, test } from 'vitest';
import { type Assumed, Model, type Run } from './model.ts';
import { normalOf, numbers } from './testing.ts';

/** What a job of so many cutouts takes on a machine: seconds in all, for each of them, each pixel, each tile that is opened. */
interface Machine {
  readonly base: number;
  readonly item: number;
  readonly pixel: number;
  readonly tile: number;
}

interface House {
  readonly machine?: Partial<Machine>;
  /** Standard deviation of the logarithm of what chance adds. */
  readonly noise?: number;
  /** Share of jobs that another load slows by 1.5 to 2, on their own. */
  readonly slowed?: number;
  /** Jobs after which quiet hours become busy ones, in which everything takes 1.5 to 2 times as long; 0: never. */
  readonly hours?: number;
  /** Tiles are counted beforehand, too. */
  readonly tilesKnown?: boolean;
}

/** What is assumed of cutouts before any have run, far from what this machine does. */
const assumed: Assumed = { seconds: { base: 1.5, per: { items: 0.006, pixels: 4e-8 } } };
const withTiles: Assumed = { seconds: { base: 1.5, per: { items: 0.006, pixels: 4e-8, tiles: 0.05 } } };

/** Jobs of 1 to 10,000 cutouts, as many of each order of magnitude, of 64 to 1000 pixels a side, over few or many tiles. */
function house(
  seed: number,
  { machine, noise = 0.2, slowed = 0.1, hours = 40, tilesKnown = false }: House,
): () => Run {
  const { base, item, pixel, tile } = { base: 2.5, item: 0.003, pixel: 3e-8, tile: 0.12, ...machine };
  const number = numbers(seed);
  let nth = 0;
  let load = 1;
  return () => {
    const items = Math.max(1, Math.round(10 ** (4 * number())));
    const pixels = items * 64 ** 2 * 10 ** (2.4 * number());
    const tiles = Math.ceil((items ** 0.8 * (0.5 + 1.5 * number())) / 2);
    if (hours > 0 && nth % hours === 0) load = load > 1 ? 1 : 1.5 + number() / 2;
    nth++;
    const alone = number() < slowed ? 1.5 + number() / 2 : 1;
    const right = base + item * items + pixel * pixels + tile * tiles;
    return {
      features: { items, pixels, ...(tilesKnown && { tiles }) },
      seconds: right * load * alone * Math.exp(noise * normalOf(number)),
    };
  };
}

interface Told {
  readonly within: boolean;
  /** Of the logarithms of the seconds it took and of its p50, the difference. */
  readonly off: number;
}

/** The fifty jobs after the first 200, each as it was estimated by those that had ended before it. */
function toldAfter(next: () => Run, of: Assumed, before = 200, then = 50): Told[] {
  const history = Array.from({ length: before }, next);
  return Array.from({ length: then }, () => {
    const run = next();
    const { seconds } = new Model(history.slice(-200), of).estimate(run.features);
    history.push(run);
    return { within: run.seconds <= seconds.p90, off: Math.abs(Math.log(run.seconds / seconds.p50)) };
  });
}

const shareWithin = (told: readonly Told[]): number =>
  told.filter(({ within }) => within).length / told.length;

/** The factor that half of the jobs are within of their p50. */
const factorOf = (told: readonly Told[]): number =>
  Math.exp(told.map(({ off }) => off).sort((a, b) => a - b)[told.length >> 1]!);

const houses: [string, House][] = [
  ['quiet all the time', { slowed: 0, hours: 0 }],
  ['now and then slowed by another load', { slowed: 0.2, hours: 0 }],
  ['quiet and busy in turn', { slowed: 0, hours: 40 }],
  ['both', {}],
  ['both, the tiles counted beforehand', { tilesKnown: true }],
  ['busy from shortly before on', { hours: 180, slowed: 0 }],
  ['where tiles are nearly all of it', { machine: { tile: 1, item: 0.0005, pixel: 1e-9 } }],
  ['where the base is nearly nothing', { machine: { base: 0.1 } }],
  ['four times as fast as assumed', { machine: { base: 0.4, item: 0.0012, pixel: 1e-8, tile: 0.01 } }],
  ['ten times as slow as assumed', { machine: { base: 15, item: 0.06, pixel: 4e-7, tile: 0.5 } }],
];

const seeds = [1, 2, 3, 4, 5, 6];

test.each(houses)(
  'of fifty jobs after two hundred of mixed sizes four in five end within their p90, and half within a factor of 1.5 of their p50: %s',
  (_, options) => {
    const of = options.tilesKnown === true ? withTiles : assumed;
    const told = seeds.map((seed) => toldAfter(house(seed, options), of));
    for (const each of told) expect(shareWithin(each)).toBeGreaterThanOrEqual(0.8);
    expect(factorOf(told.flat())).toBeLessThan(1.5);
    // A p90 that everything is within would tell nothing.
    expect(shareWithin(told.flat())).toBeLessThan(0.97);
  },
);

test('with its usual ups and downs each fifty do, and where a load comes and goes the estimates go with it', () => {
  for (const seed of seeds) expect(factorOf(toldAfter(house(seed, {}), assumed))).toBeLessThan(1.5);
  const busy = seeds.flatMap((seed) => toldAfter(house(seed, { hours: 180, slowed: 0 }), assumed));
  expect(factorOf(busy)).toBeLessThan(1.35);
});
