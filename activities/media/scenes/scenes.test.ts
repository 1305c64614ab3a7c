import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../testing/film/pictures.ts';
import { blank, grainy, mixed, see, type World, world } from '../testing/small-pictures.ts';
import type { SmallPicture } from './picture.ts';
import { type FoundBoundary, memorySeconds, SceneDetector } from './scenes.ts';

const options = { threshold: 3, gradual: true };
const worlds = [1, 2, 3, 4].map(world);
const [forest, town, beach] = worlds as [World, World, World, World];

/** Pictures at 25 a second, by number. */
function film(frames: number, picture: (n: number) => SmallPicture): { at: number; picture: SmallPicture }[] {
  return Array.from({ length: frames }, (_, n) => ({ at: n / 25, picture: picture(n) }));
}

function find(
  pictures: Iterable<{ at: number; picture: SmallPicture }>,
  settings = options,
): FoundBoundary[] {
  const detector = new SceneDetector(settings);
  const found: FoundBoundary[] = [];
  for (const { at, picture } of pictures) found.push(...detector.push(at, picture));
  return [...found, ...detector.end()];
}

const wander = (n: number) => ({ x: n, y: n >> 1 });
const briefly = (found: FoundBoundary[]) => found.map(({ kind, at }) => [kind, Math.round(at * 1000) / 1000]);

describe('cuts', () => {
  it('are found on the very frame, with a score', () => {
    const found = find(film(100, (n) => see(n < 50 ? forest : town, wander(n))));
    expect(briefly(found)).toEqual([['cut', 2]]);
    expect(found[0]?.score).toBeGreaterThan(1);
    expect(found[0]?.transition).toEqual({ from: 2, to: 2 });
  });

  it('are found between pictures that stand still, the first and the last second included', () => {
    const found = find(film(60, (n) => see(n < 5 ? forest : n < 55 ? town : beach)));
    expect(briefly(found)).toEqual([
      ['cut', 0.2],
      ['cut', 2.2],
    ]);
  });

  it('are found in dark footage with grain', () => {
    const found = find(
      film(100, (n) => grainy(see(n < 50 ? forest : town, { ...wander(n), light: 0.12 }), 2, n)),
    );
    expect(briefly(found)).toEqual([['cut', 2]]);
  });

  it('are found while the camera shakes', () => {
    const found = find(
      film(100, (n) => {
        const next = random(n);
        return see(n < 50 ? forest : town, { x: 8 * next(), y: 8 * next() });
      }),
    );
    expect(briefly(found)).toEqual([['cut', 2]]);
  });

  it('are found among pictures that come twice or three times, as from a telecine', () => {
    for (const repeat of [2, 3]) {
      const found = find(film(120, (n) => see(n < 60 ? forest : town, { x: 3 * Math.floor(n / repeat) })));
      expect(briefly(found)).toEqual([['cut', 2.4]]);
    }
  });

  it('are found at a variable frame rate, in seconds', () => {
    let at = 0;
    const next = random(5);
    const pictures = Array.from({ length: 120 }, (_, n) => {
      if (n > 0) at += [0.01, 0.02, 0.04, 0.1, 0.3][Math.floor(5 * next())]!;
      return { at, picture: see(n < 60 ? forest : town, { x: 20 * at }) };
    });
    expect(briefly(find(pictures))).toEqual([['cut', Math.round(pictures[60]!.at * 1000) / 1000]]);
  });

  it('are found from and to a card of one colour', () => {
    const found = find(film(150, (n) => (n < 50 || n >= 100 ? see(forest, wander(n)) : blank(60))));
    expect(briefly(found)).toEqual([
      ['cut', 2],
      ['cut', 4],
    ]);
  });
});

describe('what is no cut', () => {
  const traps: Record<string, (n: number) => SmallPicture> = {
    'a film of one scene': (n) => see(forest, wander(n)),
    'a picture that stands still': () => see(forest),
    grain: (n) => grainy(see(forest), 12, n),
    'a flash': (n) =>
      n === 50 || n === 51 ? mixed(see(forest, wander(n)), blank(235), 0.8) : see(forest, wander(n)),
    'a flash that dies away': (n) =>
      mixed(see(forest, wander(n)), blank(235), n >= 50 && n < 60 ? 0.9 * 0.7 ** (n - 50) : 0),
    'a row of flashes': (n) =>
      n > 30 && n < 80 && n % 9 < 2 ? mixed(see(forest, wander(n)), blank(235), 0.8) : see(forest, wander(n)),
    'a black frame': (n) => (n === 50 ? blank(16) : see(forest, wander(n))),
    'another picture for a moment': (n) => see(n >= 50 && n < 54 ? town : forest, wander(n)),
    'a pan': (n) => see(forest, { x: 6 * n }),
    'a pan that begins and ends': (n) => see(forest, { x: n < 40 ? 0 : n < 60 ? 10 * (n - 40) : 200 }),
    'a camera that is swung round, fastest in the middle': (n) =>
      see(forest, { x: n + 19 * Math.min(19, Math.max(0, n - 40)) + (n >= 50 ? 40 : 0) }),
    'a zoom': (n) => see(forest, { zoom: 0.4 + n / 60, x: 200 - n, y: 200 - n / 2 }),
    'a camera that shakes': (n) => see(forest, { x: 10 * random(n)(), y: 10 * random(n + 1000)() }),
    'a jolt': (n) => see(forest, { ...wander(n), y: n === 50 ? 10 : n === 51 ? 4 : 0 }),
    'light that is switched on': (n) => see(forest, { ...wander(n), light: n < 50 ? 0.6 : 1 }),
    'light that grows': (n) => see(forest, { ...wander(n), light: Math.min(1, Math.max(0.5, n / 80)) }),
    'pictures that come twice': (n) => see(forest, { x: 5 * Math.floor(n / 2) }),
  };
  for (const [name, picture] of Object.entries(traps))
    it(name, () => {
      expect(briefly(find(film(120, picture)))).toEqual([]);
    });
});

describe('gradual changes', () => {
  for (const frames of [8, 15, 25, 45])
    it(`a dissolve of ${frames} frames is one boundary, inside it`, () => {
      const share = (n: number) => Math.min(1, Math.max(0, (n - 60) / frames));
      const pictures = film(160, (n) => mixed(see(forest, wander(n)), see(town, { y: n }), share(n)));
      const found = find(pictures);
      expect(found.map(({ kind }) => kind)).toEqual(['dissolve']);
      const { at, transition } = found[0]!;
      expect(at).toBeGreaterThan(60 / 25);
      expect(at).toBeLessThan((60 + frames) / 25);
      expect(transition.from).toBeGreaterThan(60 / 25 - 0.2);
      expect(transition.to).toBeLessThan((60 + frames) / 25 + 0.2);
    });

  for (const [colour, luma] of [
    ['black', 16],
    ['white', 235],
  ] as const)
    it(`a fade through ${colour} is one boundary, in the middle of the ${colour}`, () => {
      const veil = (n: number) => Math.max(0, Math.min(1, n < 75 ? (n - 50) / 15 : 1 - (n - 75) / 15));
      const found = find(
        film(150, (n) => mixed(see(n < 70 ? forest : town, wander(n)), blank(luma), veil(n))),
      );
      expect(found.map(({ kind }) => kind)).toEqual(['fade']);
      expect(found[0]?.at).toBeGreaterThan(64 / 25);
      expect(found[0]?.at).toBeLessThan(76 / 25);
      expect(found[0]?.transition.from).toBeGreaterThan(49 / 25);
      expect(found[0]?.transition.to).toBeLessThan(91 / 25);
    });

  it('a long black between two fades is a scene of its own', () => {
    const veil = (n: number) => Math.max(0, Math.min(1, n < 100 ? (n - 50) / 15 : 1 - (n - 140) / 15));
    const found = find(film(200, (n) => mixed(see(n < 70 ? forest : town, wander(n)), blank(16), veil(n))));
    expect(found.map(({ kind }) => kind)).toEqual(['fade', 'fade']);
  });

  it('a black beginning that fades in is no boundary', () => {
    const veil = (n: number) => Math.max(0, Math.min(1, 1 - (n - 10) / 15));
    expect(find(film(100, (n) => mixed(see(forest, wander(n)), blank(16), veil(n))))).toEqual([]);
  });

  it('are not looked for unless asked', () => {
    const share = (n: number) => Math.min(1, Math.max(0, (n - 60) / 25));
    const pictures = film(160, (n) => mixed(see(forest), see(town), share(n)));
    expect(find(pictures, { threshold: 3, gradual: false })).toEqual([]);
  });
});

it('finds fewer cuts with a higher threshold', () => {
  const pictures = film(100, (n) => see(n < 50 ? forest : town, { x: 5 * n }));
  const at = (threshold: number) => find(pictures, { threshold, gradual: true });
  expect(at(1.5)[0]?.score).toBeCloseTo(at(3)[0]!.score * 2);
  expect(at(100)).toEqual([]);
});

it('settles close behind the picture, also through cuts, flashes and pans', () => {
  const detector = new SceneDetector(options);
  for (let n = 0; n < 150; n++) {
    const picture = see(n < 60 ? forest : town, { x: n < 100 ? 0 : 0.2 * n });
    detector.push(n / 25, picture);
    expect(n / 25 - detector.settled).toBeLessThanOrEqual(0.4 + 1e-9);
  }
});

/** Scenes at random: lengths, worlds, movement, and how one passes into the next. */
const script = fc.array(
  fc.record({
    place: fc.integer({ min: 0, max: worlds.length - 1 }),
    frames: fc.integer({ min: 3, max: 45 }),
    speed: fc.integer({ min: -6, max: 6 }),
    begins: fc.constantFrom('cut', 'dissolve', 'fade', 'flash', 'black'),
    length: fc.integer({ min: 2, max: 30 }),
  }),
  { minLength: 8, maxLength: 12 },
);

function play(scenes: typeof script extends fc.Arbitrary<infer T> ? T : never) {
  const pictures: SmallPicture[] = [];
  let previous = blank(16);
  for (const { place, frames, speed, begins, length } of scenes)
    for (let n = 0; n < frames + length; n++) {
      const own = see(worlds[place]!, { x: speed * n });
      const share = Math.min(1, (n + 1) / length);
      if (begins === 'dissolve') pictures.push(mixed(previous, own, share));
      else if (begins === 'fade')
        pictures.push(
          share < 0.5 ? mixed(previous, blank(16), 2 * share) : mixed(blank(16), own, 2 * share - 1),
        );
      else if (begins === 'flash' && n === 5) pictures.push(blank(235));
      else if (begins === 'black' && n < length) pictures.push(blank(16));
      else pictures.push(own);
      if (n === frames + length - 1) previous = own;
    }
  return pictures.map((picture, n) => ({ at: n / 12.5, picture }));
}

it('says from t on the same whether it was fed from the beginning or from t − memorySeconds', () => {
  fc.assert(
    fc.property(script, fc.double({ min: 0, max: 1, noNaN: true }), (scenes, where) => {
      const pictures = play(scenes);
      const end = pictures.at(-1)!.at;
      const from = memorySeconds + where * Math.max(0, end - memorySeconds);
      const whole = find(pictures).filter(({ at }) => at >= from);
      const part = find(pictures.filter(({ at }) => at >= from - memorySeconds)).filter(
        ({ at }) => at >= from,
      );
      expect(part).toEqual(whole);
    }),
    { numRuns: 8 },
  );
});

it('tells boundaries in order, none before what was settled, and settles forward and never more than 2.5 s behind', () => {
  fc.assert(
    fc.property(script, (scenes) => {
      const detector = new SceneDetector(options);
      let settled = Number.NEGATIVE_INFINITY;
      let last = Number.NEGATIVE_INFINITY;
      for (const { at, picture } of play(scenes)) {
        const found = detector.push(at, picture);
        for (const boundary of found) {
          expect(boundary.at).toBeGreaterThanOrEqual(settled);
          expect(boundary.at).toBeGreaterThan(last);
          expect(boundary.at).toBeLessThan(detector.settled);
          expect(boundary.score).toBeGreaterThanOrEqual(1);
          expect(boundary.transition.from).toBeLessThanOrEqual(boundary.at);
          expect(boundary.transition.to).toBeGreaterThanOrEqual(boundary.at);
          last = boundary.at;
        }
        expect(detector.settled).toBeGreaterThanOrEqual(settled);
        expect(at - detector.settled).toBeLessThanOrEqual(2.5);
        settled = detector.settled;
      }
    }),
    { numRuns: 8 },
  );
});
