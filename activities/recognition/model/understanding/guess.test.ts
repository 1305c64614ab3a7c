import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type ConstantModel, constantModel, openFile, tensor } from '../../testing/models.ts';
import type { HeadName } from '../heads/index.ts';

const open = async (model: ConstantModel) => openFile(await constantModel(model));

/** Rows of a grid of 64 × 64 that hold boxes in pixels about the middle of their cells, with that objectness. */
function gridInPixels(objectness: (row: number) => number) {
  const rows = [8, 16, 32].flatMap((stride) =>
    Array.from({ length: (64 / stride) ** 2 }, (_, cell) => {
      const columns = 64 / stride;
      return [
        (cell % columns) * stride + stride / 2,
        Math.floor(cell / columns) * stride + stride / 2,
        stride,
        stride,
      ];
    }),
  );
  const data = rows.flatMap((box, row) => [...box, objectness(row), ...Array<number>(80).fill(0.01)]);
  return { dims: [1, 84, 85], data: Float32Array.from(data) };
}

const families: [HeadName, ConstantModel, Record<string, unknown>][] = [
  ['yolov5', { outputs: { output0: tensor([1, 252, 85]) } }, { fit: 'letterbox', scale: 1 / 255 }],
  ['yolov8', { outputs: { output0: tensor([1, 8, 84]) } }, { fit: 'letterbox', colour: 'rgb' }],
  ['end-to-end', { outputs: { output0: tensor([1, 300, 6]) } }, { fit: 'letterbox' }],
  [
    'yolox',
    { outputs: { output: tensor([1, 84, 85]) } },
    { fit: 'letterbox-topleft', colour: 'bgr', scale: 1 },
  ],
  [
    'yolox-decoded',
    { outputs: { output: gridInPixels((row) => 0.001 * row) } },
    { fit: 'letterbox-topleft', colour: 'bgr', scale: 1 },
  ],
  [
    'yolov6',
    { outputs: { outputs: gridInPixels(() => 1) } },
    { fit: 'letterbox', colour: 'rgb', scale: 1 / 255 },
  ],
  [
    'detr-sigmoid',
    { outputs: { logits: tensor([1, 300, 80]), pred_boxes: tensor([1, 300, 4]) } },
    { fit: 'stretch', mean: [0, 0, 0] },
  ],
  [
    'detr-sigmoid',
    { outputs: { dets: tensor([1, 300, 4]), labels: tensor([1, 300, 91]) } },
    { mean: [0.485, 0.456, 0.406] },
  ],
  [
    'detr-softmax',
    { outputs: { logits: tensor([1, 100, 92]), pred_boxes: tensor([1, 100, 4]) } },
    { mean: [0.485, 0.456, 0.406] },
  ],
  [
    'detr-softmax',
    {
      input: { name: 'pixel_values', dims: ['batch', 3, 64, 64] },
      others: [{ name: 'pixel_mask', dims: ['batch', 'height', 'width'], type: 'int64' }],
      outputs: {
        encoder_last_hidden_state: tensor([1, 100, 256]),
        logits: tensor([1, 100, 92]),
        pred_boxes: tensor([1, 100, 4]),
      },
    },
    { mean: [0.485, 0.456, 0.406] },
  ],
  [
    'ssd-tf',
    {
      input: { name: 'image', dims: [1, 64, 64, 3] },
      outputs: {
        detection_boxes: tensor([1, 10, 4]),
        detection_classes: tensor([1, 10]),
        detection_scores: tensor([1, 10]),
        num_detections: tensor([1]),
      },
    },
    { layout: 'nhwc' },
  ],
  [
    'ssdlite',
    { outputs: { boxes: tensor([1, 9, 4]), scores: tensor([1, 9, 91]), anchors: tensor([1, 9, 4]) } },
    { fit: 'letterbox', mean: [1, 1, 1] },
  ],
];

describe('a model without a card', () => {
  it.each(families)('is told to be %s by its outputs', async (head, description, input) => {
    const model = await open(description);
    expect(model.head).toBe(head);
    expect(model.input).toMatchObject({ width: 64, height: 64, ...input });
    expect(model.understood).toMatch(new RegExp(`^guessed ${head}: `));
  });

  it('is called by the names written into it', async () => {
    const model = await open({
      outputs: { output0: tensor([1, 6, 84]) },
      metadata: { names: `{0: 'cat', 1: "driver's seat"}`, task: 'detect' },
    });
    expect(model.labels).toEqual({ 0: 'cat', 1: "driver's seat" });
  });

  it('is refused when it was made for something else', async () => {
    await expect(
      open({ outputs: { output0: tensor([1, 6, 84]) }, metadata: { task: 'classify' } }),
    ).rejects.toThrow(/classify/);
    await expect(open({ outputs: { logits: tensor([1, 1000]) } })).rejects.toThrow(/model card/);
    await expect(open({ outputs: { a: tensor([1, 1917, 4]), b: tensor([1, 1917, 91]) } })).rejects.toThrow(
      /anchors/,
    );
  });
});

describe('a model card', () => {
  const outputs = { output0: tensor([1, 252, 85]) };

  it('wins over the guess, field by field', async () => {
    const model = await open({
      outputs,
      card: {
        name: 'mine',
        version: '3',
        head: 'yolov8',
        labels: ['a', 'b'],
        input: { colour: 'bgr', pad: 0 },
        suppress: { iou: 0.7 },
      },
    });
    expect(model).toMatchObject({
      head: 'yolov8',
      labels: ['a', 'b'],
      suppress: { iou: 0.7, iouAcrossClasses: 1 },
    });
    expect(model.input).toMatchObject({ colour: 'bgr', pad: 0, fit: 'letterbox', width: 64 });
    expect(model.identity).toMatchObject({ name: 'mine', version: '3' });
  });

  it('with a mistake is refused, naming the field', async () => {
    const path = await constantModel({ outputs });
    await writeFile(path.replace('.onnx', '.json'), '{"head":"yolov99"}');
    await expect(openFile(path)).rejects.toThrow(/model\.json.*head/s);
  });
});

it('the same file is opened once', async () => {
  const modelPath = await constantModel({ outputs: { output0: tensor([1, 8, 84]) } });
  const [a, b] = await Promise.all([1, 2].map(() => openFile(modelPath)));
  expect(a).toBe(b);
});
