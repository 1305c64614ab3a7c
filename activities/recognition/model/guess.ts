/**
 * What a model seems to be, told by names and shapes of its inputs and outputs and by what its exporter wrote into it.
 * Shapes are ambiguous, so the guess is put into words, and the model card wins.
 */
import { ProblemError } from '@darkroom/contract';
import type { ModelInput, ModelLabels } from './card.ts';
import { COCO_80, COCO_IDS } from './coco.ts';
import type { HeadName } from './heads/index.ts';

export interface Port {
  readonly name: string;
  readonly type: string;
  /** A string is a symbolic dimension. */
  readonly dims: readonly (number | string)[];
}

export interface Guess {
  readonly head: HeadName;
  readonly input: ModelInput;
  readonly labels: ModelLabels;
  /** The reasons, to be shown. */
  readonly text: string;
}

export type InputShape = Pick<ModelInput, 'width' | 'height' | 'layout' | 'dtype'>;

const CARD = 'Write a model card beside the file (activities/recognition/README.md).';
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** Name of the input that takes the picture. Throws `unsupported_model` when no input does. */
export function imageInput(inputs: readonly Port[]): Port {
  const image = inputs.find(({ dims }) => dims.length === 4);
  if (image !== undefined) return image;
  const shapes = inputs.map(({ name, dims }) => `${name} [${dims.join(',')}]`).join(', ');
  throw new ProblemError('unsupported_model', `No input takes a picture [1,3,H,W] or [1,H,W,3]: ${shapes}.`);
}

/** Size, layout and type of the input, before the model has run. Sizes that are left open become 640. */
export function guessInputShape(
  inputs: readonly Port[],
  metadata: Readonly<Record<string, string>>,
): InputShape {
  const { name, type, dims } = imageInput(inputs);
  if (type !== 'float32' && type !== 'uint8')
    throw new ProblemError(
      'unsupported_model',
      `The input ${name} is ${type}; float32 and uint8 are supported. Export the model in full precision (half=False).`,
    );
  const layout = dims[3] === 3 ? 'nhwc' : 'nchw';
  const [height, width] = layout === 'nhwc' ? [dims[1], dims[2]] : [dims[2], dims[3]];
  const [exportedHeight, exportedWidth] = (metadata.imgsz?.match(/\d+/g) ?? []).map(Number);
  const size = (declared: number | string | undefined, exported: number | undefined): number =>
    typeof declared === 'number' && declared > 0 ? declared : (exported ?? 640);
  return {
    layout,
    dtype: type,
    width: size(width, exportedWidth),
    height: size(height, exportedHeight ?? exportedWidth),
  };
}

/**
 * Head, normalisation and labels, told by the outputs of a run. `outputs` have their real dimensions. Throws
 * `unsupported_model` when nothing fits.
 */
export function guess(
  inputs: readonly Port[],
  outputs: readonly Port[],
  shape: InputShape,
  metadata: Readonly<Record<string, string>>,
): Guess {
  if (metadata.task !== undefined && metadata.task !== 'detect')
    throw new ProblemError(
      'unsupported_model',
      `The model was exported for the task "${metadata.task}"; only detectors are supported.`,
    );
  const { head, classes, reason } = guessHead(inputs, outputs, shape);
  const { labels, source } = guessLabels(head, classes, metadata);
  const input = { ...shape, ...normalisation(head, outputs, shape) };
  const text =
    `${head}: ${reason}; labels: ${source}; input ${shape.width} × ${shape.height} ${input.colour} ` +
    `${shape.layout} ${shape.dtype}, ${input.fit}`;
  return { head, input, labels, text };
}

interface HeadGuess {
  readonly head: HeadName;
  readonly classes: number | undefined;
  readonly reason: string;
}

function guessHead(inputs: readonly Port[], outputs: readonly Port[], shape: InputShape): HeadGuess {
  const names = outputs.map(({ name }) => name);
  const shown = outputs.map(({ name, dims }) => `${name} [${dims.join(',')}]`).join(', ');
  const sizes = outputs.map(({ dims }) => dims.map(Number));
  const has = (...wanted: string[]) => wanted.every((name) => names.includes(name));

  if (has('boxes', 'scores', 'anchors'))
    return { head: 'ssdlite', classes: undefined, reason: `raw SSD with anchors, ${shown}` };
  if (has('labels', 'boxes', 'scores') && inputs.some(({ name }) => name === 'orig_target_sizes'))
    return { head: 'detr-postprocessed', classes: undefined, reason: `labels, boxes and scores, ${shown}` };
  if (['boxes', 'classes', 'scores'].every((part) => names.some((name) => name.includes(part))))
    return { head: 'ssd-tf', classes: undefined, reason: `TensorFlow SSD's outputs, ${shown}` };

  const boxes = sizes.find((dims) => dims.length === 3 && dims[2] === 4);
  const logits = sizes.find((dims) => dims.length === 3 && dims !== boxes && dims[1] === boxes?.[1]);
  if (boxes !== undefined && logits !== undefined) {
    const [, queries = 0] = boxes;
    const [, , classes = 0] = logits;
    if (queries > 1000)
      throw new ProblemError(
        'unsupported_model',
        `Raw SSD outputs without anchors (${shown}). Export with the postprocessor, or with an output "anchors".`,
      );
    return queries === 100
      ? { head: 'detr-softmax', classes: classes - 1, reason: `100 queries as DETR has, ${shown}` }
      : { head: 'detr-sigmoid', classes, reason: `queries with logits and boxes, ${shown}` };
  }

  const [only] = sizes;
  if (only !== undefined && only.length === 3 && outputs.length === 1) return guessYolo(only, shape, shown);
  throw new ProblemError('unsupported_model', `No known detector has these outputs: ${shown}. ${CARD}`);
}

function guessYolo(dims: readonly number[], { width, height }: InputShape, shown: string): HeadGuess {
  const [, rows = 0, columns = 0] = dims;
  const cells = [8, 16, 32].reduce((sum, s) => sum + Math.floor(width / s) * Math.floor(height / s), 0);
  if (rows === cells && columns > 5)
    return { head: 'yolox', classes: columns - 5, reason: `one row per grid cell, ${shown}` };
  if (rows === 3 * cells && columns > 5)
    return { head: 'yolov5', classes: columns - 5, reason: `three rows per grid cell, ${shown}` };
  if (columns === 6 && rows <= 1000)
    return { head: 'end-to-end', classes: undefined, reason: `rows of box, score, class, ${shown}` };
  if (columns > rows && rows > 4)
    return { head: 'yolov8', classes: rows - 4, reason: `classes before boxes as in v8 and 11, ${shown}` };
  throw new ProblemError('unsupported_model', `No YOLO of this input size has the output ${shown}. ${CARD}`);
}

function normalisation(
  head: HeadName,
  outputs: readonly Port[],
  { dtype }: InputShape,
): Omit<ModelInput, keyof InputShape> {
  const unit = { colour: 'rgb', scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1], pad: 114 } as const;
  const imagenet = { ...unit, mean: [...IMAGENET.mean], std: [...IMAGENET.std] } as const;
  const raw = { ...unit, scale: 1 } as const;
  const plusMinusOne = { ...unit, scale: 2 / 255, mean: [1, 1, 1], pad: 0 } as const;
  switch (head) {
    case 'yolov5':
    case 'yolov8':
    case 'end-to-end':
      return mutable(unit, 'letterbox');
    case 'yolox':
      return mutable({ ...raw, colour: 'bgr' }, 'letterbox-topleft');
    case 'detr-softmax':
      return mutable(imagenet, 'stretch');
    case 'detr-sigmoid':
      // RF-DETR calls its outputs dets and labels, and alone of these wants ImageNet's mean.
      return mutable(outputs.some(({ name }) => name === 'dets') ? imagenet : unit, 'stretch');
    case 'detr-postprocessed':
      return mutable(unit, 'stretch');
    case 'ssd-tf':
      return mutable(dtype === 'uint8' ? raw : plusMinusOne, 'stretch');
    case 'ssdlite':
      return mutable(plusMinusOne, 'letterbox');
  }
}

function mutable(
  values: {
    readonly colour: 'rgb' | 'bgr';
    readonly scale: number;
    readonly mean: readonly [number, number, number];
    readonly std: readonly [number, number, number];
    readonly pad: number;
  },
  fit: ModelInput['fit'],
): Omit<ModelInput, keyof InputShape> {
  return { ...values, mean: [...values.mean], std: [...values.std], fit };
}

function guessLabels(
  head: HeadName,
  classes: number | undefined,
  metadata: Readonly<Record<string, string>>,
): { labels: ModelLabels; source: string } {
  const embedded = pythonDict(metadata.names ?? '');
  const count = Object.keys(embedded).length;
  if (count > 0) return { labels: embedded, source: `${count} written into the model` };
  if (head === 'ssd-tf' || head === 'ssdlite' || (classes !== undefined && classes >= 90 && classes <= 92))
    return { labels: { ...COCO_IDS }, source: 'COCO ids (1–90) assumed' };
  if (classes === 80 || classes === undefined)
    return { labels: [...COCO_80], source: 'the 80 COCO classes assumed' };
  return {
    labels: Array.from({ length: classes }, (_, id) => `class ${id}`),
    source: `unknown (${classes} classes)`,
  };
}

/** `{0: 'person', 1: "driver's seat"}`, as Ultralytics writes its class names. */
function pythonDict(text: string): Record<string, string> {
  const entries = text.matchAll(/(\d+)\s*:\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g);
  return Object.fromEntries(
    [...entries].map(([, id = '', single, double]) => [id, (single ?? double ?? '').replace(/\\(.)/g, '$1')]),
  );
}
