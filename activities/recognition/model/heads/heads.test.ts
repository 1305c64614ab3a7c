import { ProblemError } from '@darkroom/contract';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../testing/models.ts';
import type { Outputs } from '../detection.ts';
import { type HeadName, headNames, heads } from './index.ts';

/** One object of class 2, score 0.8, from (16, 8) to (48, 40) in an input of 64 × 64, in each family's own terms. */
const found = { classId: 2, score: 0.8, x1: 16, y1: 8, x2: 48, y2: 40 };
const logit = Math.log(0.8 / 0.2);

const yoloRow = (row: number): [readonly number[], number][] =>
  [32, 24, 32, 32, 1, 0, 0, 0.8].map((value, column) => [[0, row, column], value]);

const examples: Record<HeadName, Outputs> = {
  yolov5: { output0: tensor([1, 252, 8], ...yoloRow(17)) },
  yolov6: { outputs: tensor([1, 84, 8], ...yoloRow(17)) },
  yolov8: {
    output0: tensor(
      [1, 7, 84],
      ...[32, 24, 32, 32, 0, 0, 0.8].map((v, row): [number[], number] => [[0, row, 5], v]),
    ),
  },
  'end-to-end': {
    output0: tensor(
      [1, 30, 6],
      ...[16, 8, 48, 40, 0.8, 2].map((v, column): [number[], number] => [[0, 3, column], v]),
    ),
  },
  // Cell (3, 2) of the grid of stride 8, which is row 2 · 8 + 3.
  yolox: {
    output: tensor(
      [1, 84, 8],
      ...[1, 1, Math.log(4), Math.log(4), 0.8, 0.1, 0.2, 1].map((v, column): [number[], number] => [
        [0, 19, column],
        v,
      ]),
    ),
  },
  'yolox-decoded': { output: tensor([1, 84, 8], ...yoloRow(19)) },
  'detr-sigmoid': {
    logits: { dims: [1, 2, 3], data: Float32Array.of(-9, -9, logit, -9, -9, -9) },
    pred_boxes: { dims: [1, 2, 4], data: Float32Array.of(0.5, 0.375, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1) },
  },
  // e^x / (3 + e^x) = 0.8 when x = ln 12; the second query is "none".
  'detr-softmax': {
    logits: { dims: [1, 2, 4], data: Float32Array.of(0, 0, Math.log(12), 0, 0, 0, 0, 9) },
    pred_boxes: { dims: [1, 2, 4], data: Float32Array.of(0.5, 0.375, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1) },
  },
  'detr-postprocessed': {
    labels: { dims: [1, 2], data: Float32Array.of(1, 2) },
    boxes: { dims: [1, 2, 4], data: Float32Array.of(0, 0, 1, 1, 16, 8, 48, 40) },
    scores: { dims: [1, 2], data: Float32Array.of(0.1, 0.8) },
  },
  'ssd-tf': {
    detection_boxes: { dims: [1, 2, 4], data: Float32Array.of(0.125, 0.25, 0.625, 0.75, 0, 0, 1, 1) },
    detection_classes: { dims: [1, 2], data: Float32Array.of(2, 1) },
    // The second is beyond the count, so it is not there.
    detection_scores: { dims: [1, 2], data: Float32Array.of(0.8, 0.9) },
    num_detections: { dims: [1], data: Float32Array.of(1) },
  },
  // The anchor is twice as small and 0.1 of its size off; column 0, the background, does not count.
  ssdlite: {
    boxes: { dims: [1, 1, 4], data: Float32Array.of(1, 1, 5 * Math.LN2, 5 * Math.LN2) },
    scores: { dims: [1, 1, 3], data: Float32Array.of(0.99, 0.1, 0.8) },
    anchors: { dims: [1, 1, 4], data: Float32Array.of(0.225, 0.35, 0.475, 0.6) },
  },
};

describe.each(headNames)('%s', (name) => {
  const { decode } = heads[name];

  it('decodes an object', () => {
    const candidates = decode(examples[name], { width: 64, height: 64, threshold: 0.5 });
    expect(candidates).toHaveLength(1);
    const [candidate] = candidates;
    expect(candidate?.classId).toBe(found.classId);
    expect(candidate?.score).toBeCloseTo(found.score, 5);
    for (const corner of ['x1', 'y1', 'x2', 'y2'] as const)
      expect(candidate?.[corner]).toBeCloseTo(found[corner], 3);
  });

  it('finds nothing over a higher threshold', () => {
    expect(decode(examples[name], { width: 64, height: 64, threshold: 0.81 })).toEqual([]);
  });

  it('refuses outputs of another kind, naming them', () => {
    const act = () => decode({ odd: tensor([7]) }, { width: 64, height: 64, threshold: 0.5 });
    expect(act).toThrow(ProblemError);
    expect(act).toThrow(/odd \[7\]/);
  });
});

it('takes the outputs of TF2 by their exact names, of which alphabetical order puts others first', () => {
  const outputs: Outputs = {
    detection_anchor_indices: tensor([1, 2]),
    detection_boxes: { dims: [1, 2, 4], data: Float32Array.of(0.125, 0.25, 0.625, 0.75, 0, 0, 1, 1) },
    detection_classes: { dims: [1, 2], data: Float32Array.of(2, 1) },
    detection_multiclass_scores: tensor([1, 2, 4], [[0, 0, 3], 0.99]),
    detection_scores: { dims: [1, 2], data: Float32Array.of(0.8, 0.1) },
    num_detections: { dims: [1], data: Float32Array.of(2) },
    raw_detection_boxes: tensor([1, 1917, 4]),
    raw_detection_scores: tensor([1, 1917, 4]),
  };
  const numbered = Object.entries(outputs).map(([name, output], index) => [`${name}:${index}`, output]);
  for (const named of [outputs, Object.fromEntries(numbered)]) {
    const [found, ...others] = heads['ssd-tf'].decode(named, { width: 64, height: 64, threshold: 0.5 });
    expect(others).toEqual([]);
    expect(found).toMatchObject({ classId: 2, x1: 16, y1: 8, x2: 48, y2: 40 });
  }
});

it('takes the logits of DETR, not its hidden states that come before', () => {
  const { logits, pred_boxes } = examples['detr-softmax'];
  const hidden = tensor([1, 2, 256]);
  const outputs = { encoder: hidden, last_hidden_state: hidden, logits: logits!, pred_boxes: pred_boxes! };
  expect(heads['detr-softmax'].decode(outputs, { width: 64, height: 64, threshold: 0.5 })).toMatchObject([
    { classId: 2 },
  ]);
});
