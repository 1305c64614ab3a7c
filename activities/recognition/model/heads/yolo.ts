/** The YOLO families. */
import type { Candidate, Decoder } from '../detection.ts';
import { bestClass, centred, pick } from './outputs.ts';

const at = (data: Float32Array, index: number): number => data[index] ?? 0;

/**
 * YOLOv5, YOLOv7: [1, N, 5 + C] rows of cx cy w h (input pixels), objectness, class scores; score = objectness × class. The same rows
 * come from YOLOv6, whose objectness is 1 everywhere, and from YOLOX exported with its decoding.
 * Sources: ultralytics/yolov5, utils/general.py `non_max_suppression`; meituan/YOLOv6, yolov6/models/effidehead.py `forward`;
 * Megvii-BaseDetection/YOLOX, tools/export_onnx.py `--decode_in_inference`.
 */
export const yolov5: Decoder = (outputs, { threshold }) => {
  const { dims, data } = pick(
    outputs,
    (d) => d.length === 3 && (d[2] ?? 0) > 5,
    'one output [1, N, 5 + classes]',
  );
  const [, rows = 0, columns = 0] = dims;
  const candidates: Candidate[] = [];
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const objectness = at(data, start + 4);
    if (objectness < threshold) continue;
    const { classId, value } = bestClass(data, start + 5, columns - 5);
    const score = objectness * value;
    if (score >= threshold)
      candidates.push(
        centred(
          classId,
          score,
          at(data, start),
          at(data, start + 1),
          at(data, start + 2),
          at(data, start + 3),
        ),
      );
  }
  return candidates;
};

/**
 * YOLOv8, v9, 11: [1, 4 + C, N], columns of cx cy w h (input pixels) and class scores, no objectness.
 * Source: ultralytics/ultralytics, utils/ops.py (later utils/nms.py) `non_max_suppression`.
 */
export const yolov8: Decoder = (outputs, { threshold }) => {
  const { dims, data } = pick(
    outputs,
    (d) => d.length === 3 && (d[1] ?? 0) > 4,
    'one output [1, 4 + classes, N]',
  );
  const [, rows = 0, columns = 0] = dims;
  const candidates: Candidate[] = [];
  for (let n = 0; n < columns; n++) {
    const { classId, value } = bestClass(data, 4 * columns + n, rows - 4, columns);
    if (value >= threshold)
      candidates.push(
        centred(
          classId,
          value,
          at(data, n),
          at(data, columns + n),
          at(data, 2 * columns + n),
          at(data, 3 * columns + n),
        ),
      );
  }
  return candidates;
};

/**
 * YOLOv10 and exports with suppression inside: [1, N, 6] rows of x1 y1 x2 y2 (input pixels), score, class.
 * Source: ultralytics/ultralytics, nn/modules/head.py `v10postprocess`.
 */
export const endToEnd: Decoder = (outputs, { threshold }) => {
  const { dims, data } = pick(outputs, (d) => d.length === 3 && d[2] === 6, 'one output [1, N, 6]');
  const candidates: Candidate[] = [];
  for (let row = 0; row < (dims[1] ?? 0); row++) {
    const start = row * 6;
    const score = at(data, start + 4);
    if (score >= threshold)
      candidates.push({
        classId: Math.round(at(data, start + 5)),
        score,
        x1: at(data, start),
        y1: at(data, start + 1),
        x2: at(data, start + 2),
        y2: at(data, start + 3),
      });
  }
  return candidates;
};

/**
 * YOLOX: [1, N, 5 + C] raw rows over grids of stride 8, 16, 32: centre = (xy + cell) × stride, size = exp(wh) × stride,
 * score = objectness × class (both already sigmoid).
 * Source: Megvii-BaseDetection/YOLOX, yolox/utils/demo_utils.py `demo_postprocess`.
 */
export const yolox: Decoder = (outputs, { width, height, threshold }) => {
  const cells = [8, 16, 32].flatMap((stride) => {
    const columns = Math.floor(width / stride);
    return Array.from({ length: columns * Math.floor(height / stride) }, (_, index) => ({
      stride,
      x: index % columns,
      y: Math.floor(index / columns),
    }));
  });
  const { dims, data } = pick(
    outputs,
    (d) => d.length === 3 && d[1] === cells.length && (d[2] ?? 0) > 5,
    `one output [1, ${cells.length}, 5 + classes]`,
  );
  const columns = dims[2] ?? 0;
  const candidates: Candidate[] = [];
  cells.forEach(({ stride, x, y }, row) => {
    const start = row * columns;
    const objectness = at(data, start + 4);
    if (objectness < threshold) return;
    const { classId, value } = bestClass(data, start + 5, columns - 5);
    const score = objectness * value;
    if (score < threshold) return;
    candidates.push(
      centred(
        classId,
        score,
        (at(data, start) + x) * stride,
        (at(data, start + 1) + y) * stride,
        Math.exp(at(data, start + 2)) * stride,
        Math.exp(at(data, start + 3)) * stride,
      ),
    );
  });
  return candidates;
};
