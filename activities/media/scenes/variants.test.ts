/** Films as people have them: few pictures a second, held pictures, borders, colour alone, wipes, strobes. */
import { describe, expect, it } from 'vitest';
import { random } from '../testing/film/pictures.ts';
import { blank, grainy, mixed, see, type World, world } from '../testing/small-pictures.ts';
import type { SmallPicture } from './picture.ts';
import { type FoundBoundary, SceneDetector } from './scenes.ts';

const worlds = [1, 2, 3, 4].map(world);
const [forest, town] = worlds as [World, World, World, World];

interface Timed {
  readonly at: number;
  readonly picture: SmallPicture;
}

function find(pictures: readonly Timed[], gradual = true): FoundBoundary[] {
  const detector = new SceneDetector({ threshold: 3, gradual });
  return [...pictures.flatMap(({ at, picture }) => detector.push(at, picture)), ...detector.end()];
}
const briefly = (found: FoundBoundary[]) => found.map(({ kind, at }) => [kind, Math.round(at * 1000) / 1000]);
const at25 = (frames: number, picture: (n: number) => SmallPicture): Timed[] =>
  Array.from({ length: frames }, (_, n) => ({ at: n / 25, picture: picture(n) }));

/** Shots of 8 s each, the camera wandering and trembling; cuts at 8, 16, 24 s. */
const length = 8;
const cuts = worlds.slice(1).map((_, n) => ['cut', length * (n + 1)]);
function walk(at: number): SmallPicture {
  const place = worlds[Math.floor(at / length) % worlds.length]!;
  const tremble = random(Math.round(at * 100));
  return see(place, { x: 6 * (at % length) + 2 * tremble(), y: 2 * at + 2 * tremble() });
}
const film = (
  fps: number,
  change: (picture: SmallPicture, n: number) => SmallPicture = (picture) => picture,
) =>
  Array.from({ length: fps * length * worlds.length }, (_, n) => ({
    at: n / fps,
    picture: change(walk(n / fps), n),
  }));

describe('the cuts of a film are found', () => {
  it.each([1, 2, 2.5, 4, 5, 10])('at %d pictures a second', (fps) => {
    expect(briefly(find(film(fps)))).toEqual(cuts);
  });

  it('at 2 pictures a second, also while the camera moves by a sixth of the picture between them', () => {
    let x = 0;
    const pictures = Array.from({ length: 40 }, (_, n) => {
      if (n > 0) x += 28 * (0.9 + 0.2 * random(n)());
      return { at: n / 2, picture: see(n < 20 ? forest : town, { x }) };
    });
    expect(briefly(find(pictures))).toEqual([['cut', 10]]);
  });

  it.each([
    ['pillarbox', { left: 0.34, top: 0 }],
    ['letterbox', { left: 0, top: 0.14 }],
    ['a border all around', { left: 0.15, top: 0.15, luma: 60 }],
    ['letterbox with a logo and lettering in it', { left: 0, top: 0.16, lettered: true }],
  ] as const)('behind %s, with the same scores', (_name, border) => {
    const found = find(film(10, (picture, n) => framed(picture, { ...border, n })));
    expect(briefly(found)).toEqual(cuts);
    for (const { score } of found) expect(score).toBeGreaterThan(1.5);
  });

  it('when it is dark and noisy', () => {
    const dim = (picture: SmallPicture, n: number) => grainy(mixed(picture, blank(16), 0.8), 3, n);
    expect(briefly(find(film(10, dim)))).toEqual(cuts);
  });

  it.each([1, 3, 20, 600])('after a picture that was held for %d s, without any in between', (seconds) => {
    const pictures = film(25).slice(0, 25 * 2 * length);
    const before = pictures.filter(({ at }) => at < length);
    const after = pictures.filter(({ at }) => at >= length);
    const late = after.map(({ at, picture }) => ({ at: at + seconds, picture }));
    expect(briefly(find([...before, ...late]))).toEqual([['cut', length + seconds]]);
  });

  it('between slides of a screen recording that has a picture only where something changes', () => {
    const pictures: Timed[] = [];
    const next = random(3);
    const starts = [0, 41, 44, 95, 300];
    for (const [n, start] of starts.entries())
      for (let k = 0, at = start; k < 6; k++, at += 0.04 + 0.4 * next()) {
        const picture = see(worlds[n % 4]!);
        for (let y = 20; y < 26; y++)
          picture.y.fill(250, y * picture.width + 12 * k, y * picture.width + 12 * k + 5);
        pictures.push({ at, picture });
      }
    expect(briefly(find(pictures))).toEqual(starts.slice(1).map((at) => ['cut', at]));
  });
});

/** The picture made smaller within a border, a share of the width and height on each side. */
function framed(
  picture: SmallPicture,
  {
    left,
    top,
    luma = 16,
    lettered = false,
    n,
  }: { left: number; top: number; luma?: number; lettered?: boolean; n: number },
): SmallPicture {
  const { width, height } = picture;
  const plane = (from: Uint8Array, w: number, h: number, fill: number) => {
    const x0 = Math.round((w * left) / 2) * 2;
    const y0 = Math.round((h * top) / 2) * 2;
    const target = new Uint8Array(from.length).fill(fill);
    for (let y = y0; y < h - y0; y++)
      for (let x = x0; x < w - x0; x++) {
        const fromX = Math.floor(((x - x0) * w) / (w - 2 * x0));
        target[y * w + x] = from[Math.floor(((y - y0) * h) / (h - 2 * y0)) * w + fromX]!;
      }
    if (lettered && w === width)
      for (let y = h - 8; y < h - 4; y++)
        for (let x = 30; x < 66; x++) if ((x * 7 + Math.floor(n / 20)) % 3 === 0) target[y * w + x] = 220;
    return target;
  };
  return {
    width,
    height,
    y: plane(picture.y, width, height, luma),
    u: plane(picture.u, width / 2, height / 2, 128),
    v: plane(picture.v, width / 2, height / 2, 128),
  };
}

describe('colour alone', () => {
  /** A slide of one colour with a bar at the bottom, and a small square that moves. */
  const slide = (luma: number, u: number, v: number, n: number): SmallPicture => {
    const picture = blank(luma);
    const { width, height } = picture;
    picture.u.fill(u);
    picture.v.fill(v);
    for (let x = 10; x < width - 10; x++)
      for (let y = height - 14; y < height - 8; y++) picture.y[y * width + x] = (x >> 3) % 2 ? 200 : 30;
    for (let x = 0; x < 4; x++)
      for (let y = 0; y < 4; y++) {
        const i = (10 + y) * (width / 2) + ((n >> 1) % 50) + x;
        picture.u[i] = 90;
        picture.v[i] = 240;
      }
    return picture;
  };

  it('makes a cut between slides of like layout', () => {
    const colours = [
      [50, 128, 128],
      [41, 240, 110],
      [60, 54, 34],
    ] as const;
    const shown = (n: number) => {
      const [luma, u, v] = colours[Math.floor(n / 75)]!;
      return slide(luma, u, v, n);
    };
    expect(briefly(find(at25(225, (n) => shown(n))))).toEqual([
      ['cut', 3],
      ['cut', 6],
    ]);
  });

  it('makes none where light grows stronger or weaker, or colours drift', () => {
    const shown = (n: number) => see(forest, { x: n / 4, light: n < 60 ? 0.4 : 1 });
    expect(briefly(find(at25(120, shown)))).toEqual([]);
    const drift = (n: number) => slide(60, 128 + Math.min(60, n), 128 - Math.min(60, n), n);
    expect(briefly(find(at25(120, drift)))).toEqual([]);
  });
});

describe('wipes', () => {
  /** One picture where `shows` says so (shares of width, height and time), the other elsewhere. */
  const part = (a: SmallPicture, b: SmallPicture, shows: (x: number, y: number) => boolean): SmallPicture => {
    const plane = (one: Uint8Array, other: Uint8Array, w: number) =>
      one.map((value, i) => (shows((i % w) / w, Math.floor(i / w) / (one.length / w)) ? other[i]! : value));
    const half = a.width / 2;
    return { ...a, y: plane(a.y, b.y, a.width), u: plane(a.u, b.u, half), v: plane(a.v, b.v, half) };
  };
  const kinds: Record<string, (x: number, y: number, t: number) => boolean> = {
    'from the left': (x, _y, t) => x < t,
    'from below': (_x, y, t) => y > 1 - t,
    'from a corner': (x, y, t) => x + y < 2 * t,
    'an iris': (x, y, t) => Math.hypot(1.78 * (x - 0.5), y - 0.5) < 1.03 * t,
    'around the middle': (x, y, t) => Math.atan2(x - 0.5, y - 0.5) < Math.PI * (2 * t - 1),
  };
  it.each(Object.keys(kinds))('%s is one boundary, inside it', (name) => {
    for (const frames of [10, 15, 25]) {
      const found = find(
        at25(140, (n) => {
          const t = (n - 60) / frames;
          return part(see(forest, { x: n / 8 }), see(town, { y: n / 8 }), (x, y) => kinds[name]!(x, y, t));
        }),
      );
      expect(found.map(({ kind }) => kind)).toEqual(['wipe']);
      expect(found[0]!.transition.from).toBeGreaterThan(60 / 25 - 0.2);
      expect(found[0]!.transition.to).toBeLessThan((60 + frames) / 25 + 0.2);
    }
  });

  it('are not looked for unless asked', () => {
    const shown = (n: number) => part(see(forest), see(town), (x) => x < (n - 60) / 20);
    expect(find(at25(140, shown), false)).toEqual([]);
  });
});

it.each([5, 10, 25])('a strobe of half a second is no cut, at %d pictures a second', (fps) => {
  const dark = (at: number) => Math.floor(2 * at) % 2 === 1;
  const pictures = Array.from({ length: fps * 7.4 }, (_, n) => ({
    at: n / fps,
    picture: dark(n / fps) ? blank(16) : see(forest, { x: (20 * n) / fps }),
  }));
  expect(briefly(find(pictures))).toEqual([]);
});
