import { describe, expect, it } from 'vitest';
import { tensor } from '../testing/models.ts';
import { detect, suppression, type Wanted } from './detect.ts';

const size = { width: 100, height: 100 };
const input = {
  ...size,
  layout: 'nchw',
  colour: 'rgb',
  dtype: 'float32',
  scale: 1,
  mean: [0, 0, 0] as [number, number, number],
  std: [1, 1, 1] as [number, number, number],
  fit: 'stretch',
  pad: 0,
} as const;
const labels = ['person', 'cat', 'dog'];
const placed = { ...size, left: 0, top: 0, scaleX: 1, scaleY: 1 };

/** Rows of x1 y1 x2 y2 score class. The first three overlap by 0.8 and 0.67, the last stands apart. */
const rows = [
  [0, 0, 10, 10, 0.9, 0],
  [0, 0, 10, 8, 0.7, 0],
  [0, 0, 10, 6.7, 0.5, 1],
  [50, 50, 60, 60, 0.25, 2],
];
const outputs = { output0: { dims: [1, rows.length, 6], data: Float32Array.from(rows.flat()) } };
const found = (wanted: Partial<Wanted>, iouAcrossClasses = 1) =>
  detect(
    outputs,
    { head: 'end-to-end', input, labels, suppress: { iou: 1, iouAcrossClasses } },
    placed,
    size,
    { threshold: 0.2, ...wanted },
  ).map(({ label, score }) => `${label} ${score}`);
const all = ['person 0.9', 'person 0.7', 'cat 0.5', 'dog 0.25'];

describe('a request', () => {
  it.each<[string, Partial<Wanted>, string[]]>([
    ['nothing', {}, all],
    ['a threshold', { threshold: 0.6 }, all.slice(0, 2)],
    ['more of one label', { thresholds: { person: 0.8 } }, ['person 0.9', 'cat 0.5', 'dog 0.25']],
    [
      'less of one label',
      { threshold: 0.6, thresholds: { dog: 0.1 } },
      ['person 0.9', 'person 0.7', 'dog 0.25'],
    ],
    ['an overlap', { iou: 0.75 }, ['person 0.9', 'cat 0.5', 'dog 0.25']],
    ['an overlap of all labels', { iou: 0.6, classAgnostic: true }, ['person 0.9', 'dog 0.25']],
    ['all, whatever their labels', { iou: 1, classAgnostic: true }, all],
    ['no two labels in one place', { classAgnostic: true }, ['person 0.9', 'cat 0.5', 'dog 0.25']],
    ['the best two', { maxDetections: 2 }, all.slice(0, 2)],
    ['the best one of a label', { maxDetections: 1, labels: ['cat'] }, ['cat 0.5']],
    [
      'what is under its own threshold beats nothing',
      { thresholds: { person: 0.95 }, iou: 0.5, classAgnostic: true },
      ['cat 0.5', 'dog 0.25'],
    ],
  ])('for %s', (_, wanted, expected) => {
    expect(found(wanted)).toEqual(expected);
  });

  it('may want more than 300', () => {
    const many = Array.from({ length: 400 }, (_, n) => [n % 20, 0, (n % 20) + 1, 1, 0.9 - n / 1000, 0]);
    const model = { head: 'end-to-end', input, labels, suppress: { iou: 1, iouAcrossClasses: 1 } } as const;
    const output = { output0: { dims: [1, 400, 6], data: Float32Array.from(many.flat()) } };
    const count = (maxDetections?: number) =>
      detect(output, model, placed, size, { threshold: 0, maxDetections }).length;
    expect([count(), count(350), count(1000)]).toEqual([300, 350, 400]);
  });

  it('for the best two of a label gets them from behind 300 of another', () => {
    const crowd = Array.from({ length: 320 }, (_, n) => [n % 20, 0, (n % 20) + 1, 1, 0.9 - n / 1000, 0]);
    const few = [0.3, 0.29, 0.28].map((score) => [50, 50, 60, 60, score, 1]);
    const data = Float32Array.from([...crowd, ...few].flat());
    const model = { head: 'end-to-end', input, labels, suppress: { iou: 1, iouAcrossClasses: 1 } } as const;
    const wanted = { threshold: 0.1, labels: ['cat'], maxDetections: 2 };
    const found = detect({ output0: { dims: [1, 323, 6], data } }, model, placed, size, wanted);
    expect(found.map(({ score }) => score)).toEqual([0.3, 0.29]);
  });
});

it('is not stricter across labels than within one, and as the model has it where nothing is said', () => {
  const model = { iou: 0.6, iouAcrossClasses: 0.6 };
  expect(suppression(model, {})).toEqual(model);
  expect(suppression(model, { iou: 0.8 })).toEqual({ iou: 0.8, iouAcrossClasses: 0.8 });
  expect(suppression(model, { iou: 0.3 })).toEqual({ iou: 0.3, iouAcrossClasses: 0.6 });
  expect(suppression(model, { classAgnostic: false })).toEqual({ iou: 0.6, iouAcrossClasses: 1 });
  expect(suppression({ iou: 0.45, iouAcrossClasses: 1 }, { iou: 0.5 })).toEqual({
    iou: 0.5,
    iouAcrossClasses: 1,
  });
});

it('numbers what it finds by the list of the model', () => {
  const [first] = detect(
    { output0: tensor([1, 1, 6], [[0, 0, 2], 10], [[0, 0, 3], 10], [[0, 0, 4], 0.5], [[0, 0, 5], 2]) },
    { head: 'end-to-end', input, labels, suppress: { iou: 1, iouAcrossClasses: 1 } },
    placed,
    size,
    { threshold: 0.2 },
  );
  expect(first).toMatchObject({ label: 'dog', classId: 2 });
});
