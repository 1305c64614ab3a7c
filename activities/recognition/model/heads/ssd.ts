/** The SSD families of the TensorFlow Object Detection API. */
import type { Candidate, Decoder } from '../detection.ts';
import { pick, refuse } from './outputs.ts';

const at = (data: Float32Array, index: number): number => data[index] ?? 0;

/**
 * With the postprocessor inside: boxes [1, N, 4] ymin xmin ymax xmax (0–1), classes [1, N], scores [1, N], count [1].
 * Source: tensorflow/models, research/object_detection/exporter.py.
 */
export const ssdTf: Decoder = (outputs, { width, height, threshold }) => {
  const named = (part: string) => Object.entries(outputs).find(([name]) => name.includes(part))?.[1];
  const boxes = named('boxes');
  const classes = named('classes');
  const scores = named('scores');
  if (boxes === undefined || classes === undefined || scores === undefined)
    return refuse(outputs, 'outputs named …boxes, …classes, …scores');
  const count = Math.min(named('num')?.data[0] ?? scores.data.length, scores.data.length);
  const candidates: Candidate[] = [];
  for (let n = 0; n < count; n++) {
    const score = at(scores.data, n);
    if (score < threshold) continue;
    const [top = 0, left = 0, bottom = 0, right = 0] = boxes.data.subarray(n * 4, n * 4 + 4);
    candidates.push({
      classId: Math.round(at(classes.data, n)),
      score,
      x1: left * width,
      y1: top * height,
      x2: right * width,
      y2: bottom * height,
    });
  }
  return candidates;
};

/**
 * Raw SSD: boxes [1, N, 4] ty tx th tw with scales 10 10 5 5, sigmoid scores [1, N, C] whose column 0 is background, anchors
 * [1, N, 4] ymin xmin ymax xmax (0–1).
 * Source: tensorflow/models, research/object_detection/box_coders/faster_rcnn_box_coder.py.
 */
export const ssdlite: Decoder = (outputs, { width, height, threshold }) => {
  const { boxes, scores, anchors } = outputs;
  if (boxes === undefined || scores === undefined || anchors === undefined)
    return refuse(outputs, 'outputs boxes, scores, anchors');
  const { dims } = pick(outputs, ['scores'], (d) => d.length === 3, 'scores [1, N, classes]');
  const [, count = 0, classes = 0] = dims;
  const candidates: Candidate[] = [];
  for (let n = 0; n < count; n++)
    for (let classId = 1; classId < classes; classId++) {
      const score = at(scores.data, n * classes + classId);
      if (score < threshold) continue;
      const [top = 0, left = 0, bottom = 0, right = 0] = anchors.data.subarray(n * 4, n * 4 + 4);
      const [ty = 0, tx = 0, th = 0, tw = 0] = boxes.data.subarray(n * 4, n * 4 + 4);
      const anchorHeight = bottom - top;
      const anchorWidth = right - left;
      const cy = (top + bottom) / 2 + (ty / 10) * anchorHeight;
      const cx = (left + right) / 2 + (tx / 10) * anchorWidth;
      const h = Math.exp(th / 5) * anchorHeight;
      const w = Math.exp(tw / 5) * anchorWidth;
      candidates.push({
        classId,
        score,
        x1: (cx - w / 2) * width,
        y1: (cy - h / 2) * height,
        x2: (cx + w / 2) * width,
        y2: (cy + h / 2) * height,
      });
    }
  return candidates;
};
