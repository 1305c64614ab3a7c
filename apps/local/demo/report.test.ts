import type { Job, Segment, StageProgress } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { findingsTable, plainNews, stageLine } from './report.ts';

const plain = (_style: string, text: string) => text;
const stage = (changes: Partial<StageProgress>): StageProgress => ({
  name: 'probe',
  state: 'running',
  done: 0,
  failed: 0,
  total: null,
  unit: 'photos',
  startedAt: null,
  finishedAt: null,
  queueSeconds: 0,
  workSeconds: 0,
  attempts: 1,
  aliveAt: null,
  movedAt: null,
  ...changes,
});
const job = (stages: StageProgress[], state: Job['state'] = 'running') =>
  ({ state, progress: { stage: null, stages, percent: null, etaSeconds: null } }) as unknown as Job;
const segment = (filename: string, detections: [string, number][]) =>
  ({
    filename,
    scene: null,
    problem: null,
    detections: detections.map(([label, score]) => ({
      label,
      score,
      box: { x: 0, y: 0, width: 1, height: 1 },
    })),
  }) as unknown as Segment;

it('fills the bar by what is done', () => {
  const line = stageLine(stage({ done: 2, total: 4, workSeconds: 1.23 }), plain);
  expect(line).toBe(`  probe      ${'█'.repeat(12)}${'░'.repeat(12)} 2/4 photos    1.2 s`);
  expect(stageLine(stage({ done: 2 }), plain)).toContain(`${'░'.repeat(24)} 2/? photos`);
});

it('tells only what moved', () => {
  const before = job([stage({ done: 1, total: 2 }), stage({ name: 'publish' })]);
  expect(plainNews('a', before, before)).toBeUndefined();
  expect(plainNews('a', before, job([stage({ done: 2, total: 2 }), stage({ name: 'publish' })]))).toBe(
    'a: probe 2/2',
  );
  expect(plainNews('a', undefined, before)).toBe('a: running, probe 1/2');
});

it('lists what was found, best first', () => {
  const many: [string, number][] = [
    ['a', 0.5],
    ['b', 0.9],
    ['c', 0.6],
    ['d', 0.7],
    ['e', 0.8],
  ];
  expect(findingsTable([segment('x.jpg', many), segment('y.jpg', [])], plain)).toEqual([
    '  picture  found         score',
    '  x.jpg    b             0.90',
    '           e             0.80',
    '           d             0.70',
    '           c             0.60',
    '           … and 1 more',
    '  y.jpg    (nothing)',
  ]);
});

it('names a scene by its time and how it begins', () => {
  const scene = { start: 3, end: 5.44, begins: 'dissolve' };
  const [, row] = findingsTable([{ ...segment('film.mp4', [['cat', 0.9]]), scene } as Segment], plain);
  expect(row).toBe('  film.mp4 3.0–5.4 s dissolve  cat    0.90');
});
