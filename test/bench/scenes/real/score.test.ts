import { expect, test } from 'vitest';
import { readLabels, type Truth, truthOf } from './labels.ts';
import { score, spaced } from './score.ts';

const truth: Truth = {
  changes: [
    { kind: 'cut', from: 100, to: 100 },
    { kind: 'gap', from: 200, to: 224 },
    { kind: 'fade', from: 300, to: 330 },
    { kind: 'cut', from: 400, to: 400 },
  ],
  neutral: [[0, 10]],
};

test('a cut is found within one picture, a gap of black at either end or both, a fade between its ends', () => {
  const all = score(truth, [101, 200, 224, 315, 399]);
  expect(all).toMatchObject({ missed: [], wrong: [] });
  expect(all.cuts).toEqual({ found: 3, right: 3, missed: 0 });
  expect(all.all).toEqual({ found: 4, right: 4, missed: 0 });
});

test('what is elsewhere is wrong, in a gradual change only where all kinds count, and nothing where nobody can say', () => {
  const some = score(truth, [5, 103, 310, 320, 400]);
  expect(some.missed).toEqual([100, 200]);
  expect(some.wrong).toEqual([103, 320]);
  expect(some.cuts).toEqual({ found: 2, right: 1, missed: 2 });
  expect(some.all).toEqual({ found: 4, right: 2, missed: 2 });
});

test('scenes shorter than the least are none, as seen from the start of the scene before', () => {
  expect(spaced([9, 3, 10, 12, 15], 5)).toEqual([9, 15]);
});

test('the labels lie in their films, in order and apart; they are as many as the docs say', async () => {
  const films = await readLabels();
  for (const film of films) {
    let last = 0;
    for (const { from, to } of truthOf(film).changes) {
      expect(from, film.name).toBeGreaterThan(last);
      expect(to, film.name).toBeGreaterThanOrEqual(from);
      last = to;
    }
    expect(last, film.name).toBeLessThan(film.frames);
  }
  const cuts = films.flatMap((film) => film.cuts).length;
  const gaps = films.flatMap((film) => film.gaps).length;
  expect([cuts, gaps]).toEqual([146, 36]);
  expect(films.filter((film) => film.cuts.length + film.gaps.length > 0)).toHaveLength(8);
});
