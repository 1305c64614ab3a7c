/** The DETR families: a fixed number of queries, each at most one object; no suppression. */
import type { Candidate, Decoder, Output, Outputs } from '../detection.ts';
import { bestClass, centred, find, refuse, sigmoid } from './outputs.ts';

const at = (data: Float32Array, index: number): number => data[index] ?? 0;

/**
 * Boxes [1, N, 4] and logits [1, N, classes], by their names first: exports give hidden states [1, N, 256] besides. Undefined where
 * there are none.
 */
export function queries(outputs: Outputs): { boxes: Output; logits: Output } | undefined {
  const areBoxes = ({ dims }: Output) => dims.length === 3 && dims[2] === 4;
  const boxes = find(outputs, ['pred_boxes', 'boxes', 'dets'], areBoxes);
  const logits = find(
    outputs,
    ['logits', 'pred_logits', 'scores', 'labels'],
    (output) => output !== boxes && output.dims.length === 3 && output.dims[1] === boxes?.dims[1],
  );
  return boxes && logits && { boxes, logits };
}

function logitsAndBoxes(outputs: Outputs) {
  const found = queries(outputs);
  if (found === undefined) return refuse(outputs, 'logits [1, N, classes] and boxes [1, N, 4]');
  const { boxes, logits } = found;
  return {
    boxes: boxes.data,
    logits: logits.data,
    queries: boxes.dims[1] ?? 0,
    classes: logits.dims[2] ?? 0,
  };
}

/** Boxes are cx cy w h in 0–1 of the input. */
function boxOf(
  boxes: Float32Array,
  query: number,
  classId: number,
  score: number,
  width: number,
  height: number,
) {
  const start = query * 4;
  return centred(
    classId,
    score,
    at(boxes, start) * width,
    at(boxes, start + 1) * height,
    at(boxes, start + 2) * width,
    at(boxes, start + 3) * height,
  );
}

/**
 * RT-DETR, D-FINE, RF-DETR, Deformable DETR: sigmoid per class; the best N of all query-class pairs.
 * Source: lyuwenyu/RT-DETR, rtdetr_postprocessor.py (`use_focal_loss`).
 */
export const detrSigmoid: Decoder = (outputs, { width, height, threshold }) => {
  const { boxes, logits, queries, classes } = logitsAndBoxes(outputs);
  const candidates: Candidate[] = [];
  for (let query = 0; query < queries; query++)
    for (let classId = 0; classId < classes; classId++) {
      const score = sigmoid(at(logits, query * classes + classId));
      if (score >= threshold) candidates.push(boxOf(boxes, query, classId, score, width, height));
    }
  return candidates.sort((a, b) => b.score - a.score).slice(0, queries);
};

/**
 * DETR, YOLOS: softmax, of which the last class is "no object".
 * Source: facebookresearch/detr, models/detr.py `PostProcess`.
 */
export const detrSoftmax: Decoder = (outputs, { width, height, threshold }) => {
  const { boxes, logits, queries, classes } = logitsAndBoxes(outputs);
  const candidates: Candidate[] = [];
  for (let query = 0; query < queries; query++) {
    const start = query * classes;
    const row = logits.subarray(start, start + classes);
    const highest = row.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
    const sum = row.reduce((total, value) => total + Math.exp(value - highest), 0);
    const { classId, value } = bestClass(logits, start, classes - 1);
    const score = Math.exp(value - highest) / sum;
    if (score >= threshold) candidates.push(boxOf(boxes, query, classId, score, width, height));
  }
  return candidates;
};

/**
 * RT-DETR and D-FINE exported with their postprocessor: labels [1, N], boxes [1, N, 4] x1 y1 x2 y2, scores [1, N]; boxes are
 * in pixels of what was given as `orig_target_sizes`, which is the size of the input here.
 * Source: lyuwenyu/RT-DETR, tools/export_onnx.py.
 */
export const detrPostprocessed: Decoder = (outputs, { threshold }) => {
  const { labels, boxes, scores } = outputs;
  if (labels === undefined || boxes === undefined || scores === undefined)
    return refuse(outputs, 'outputs labels, boxes, scores');
  const candidates: Candidate[] = [];
  scores.data.forEach((score, n) => {
    if (score < threshold) return;
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = boxes.data.subarray(n * 4, n * 4 + 4);
    candidates.push({ classId: Math.round(at(labels.data, n)), score, x1, y1, x2, y2 });
  });
  return candidates;
};
