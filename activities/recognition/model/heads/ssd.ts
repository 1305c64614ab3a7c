/** The SSD families of the TensorFlow Object Detection API. */
import type { Candidate, Decoder, Output, Outputs } from '../detection.ts';
import { refuse } from './outputs.ts';

const at = (data: Float32Array, index: number): number => data[index] ?? 0;

/**
 * With the postprocessor inside: boxes [1, N, 4] ymin xmin ymax xmax (0–1), classes [1, N], scores [1, N], count [1].
 * Source: tensorflow/models, research/object_detection/exporter.py.
 */
export const ssdTf: Decoder = (outputs, { width, height, threshold }) => {
  const boxes = named(outputs, 'boxes', 3);
  const classes = named(outputs, 'classes', 2);
  const scores = named(outputs, 'scores', 2);
  if (boxes === undefined || classes === undefined || scores === undefined)
    return refuse(outputs, 'outputs named …boxes [1, N, 4], …classes [1, N], …scores [1, N]');
  const given = outputs.num_detections ?? named(outputs, 'num', 1);
  const count = Math.min(given?.data[0] ?? scores.data.length, scores.data.length);
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
 * The output `detection_…` of so many dimensions, else the first that has the word in its name: TF2 gives raw_detection_boxes and
 * detection_multiclass_scores besides, in alphabetical order. A converter may have added the number of the output, `:0`.
 */
function named(outputs: Outputs, word: string, rank: number): Output | undefined {
  const fitting = Object.entries(outputs).filter(([, { dims }]) => dims.length === rank);
  const bare = (name: string) => name.replace(/:\d+$/, '');
  const found =
    fitting.find(([name]) => bare(name) === `detection_${word}`) ??
    fitting.find(([name]) => bare(name) === word) ??
    fitting.find(([name]) => name.includes(word));
  return found?.[1];
}

/**
 * Raw SSD: boxes [1, N, 4] ty tx th tw with scales 10 10 5 5, sigmoid scores [1, N, C] whose column 0 is background, anchors
 * [1, N, 4] ymin xmin ymax xmax (0–1).
 * Source: tensorflow/models, research/object_detection/box_coders/faster_rcnn_box_coder.py.
 */
export const ssdlite: Decoder = (outputs, { width, height, threshold }) => {
  const { boxes, scores, anchors } = outputs;
  if (boxes === undefined || scores?.dims.length !== 3 || anchors === undefined)
    return refuse(outputs, 'outputs boxes, scores [1, N, classes], anchors');
  const [, count = 0, classes = 0] = scores.dims;
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
