/**
 * What a model seems to be, told by names and shapes of its inputs and outputs and by what its exporter wrote into it.
 * Shapes are ambiguous, so the guess is put into words, and the model card wins.
 */
import { ProblemError } from '@darkroom/contract';
import type { ModelInput, ModelLabels } from '../card/card.ts';
import { COCO_80, COCO_IDS } from '../coco.ts';
import type { Output, Outputs } from '../detection.ts';
import { classValues } from '../heads/classifier.ts';
import { queries } from '../heads/detr.ts';
import type { HeadName } from '../heads/index.ts';
import { shapesOf } from '../heads/outputs.ts';

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
const CLASSIFIER_CARD =
  'A classifier needs a model card with "task": "classifier", "outputs" and "preprocess", as what training did to pictures cannot be told ' +
  'from the file (activities/recognition/README.md).';
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** Name of the input that takes the picture. Throws `unsupported_model` when no input does. */
export function imageInput(inputs: readonly Port[]): Port {
  const image = inputs.find(({ dims }) => dims.length === 4);
  if (image !== undefined) return image;
  throw new ProblemError(
    'unsupported_model',
    `No input takes a picture [1,3,H,W] or [1,H,W,3]: ${shown(inputs)}.`,
  );
}

/** Inputs with their dimensions, for people. */
export const shown = (inputs: readonly Port[]): string =>
  inputs.map(({ name, dims }) => `${name} [${dims.join(',')}]`).join(', ');

/** Size, layout and type of the input, before the model has run. Sizes that are left open become 640. */
export function guessInputShape(
  inputs: readonly Port[],
  metadata: Readonly<Record<string, string>>,
): InputShape {
  const { name, type, dims } = imageInput(inputs);
  if (type !== 'float32' && type !== 'float16' && type !== 'uint8')
    throw new ProblemError(
      'unsupported_model',
      `The input ${name} is ${type}; float32, float16 and uint8 are supported. Export the model in one of them.`,
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
 * Head, normalisation and labels, told by the outputs of a run on an empty picture; `head` is what a card says. Throws
 * `unsupported_model` when nothing fits.
 */
export function guess(
  inputs: readonly Port[],
  outputs: Outputs,
  shape: InputShape,
  metadata: Readonly<Record<string, string>>,
  head: HeadName | undefined,
): Guess {
  if (metadata.task !== undefined && metadata.task !== 'detect')
    throw new ProblemError(
      'unsupported_model',
      metadata.task === 'classify'
        ? `The model was exported for the task "classify". ${CLASSIFIER_CARD}`
        : `The model was exported for the task "${metadata.task}"; detectors and classifiers are supported.`,
    );
  const found = head === undefined ? guessHead(inputs, outputs, shape) : { head, reason: 'as the card says' };
  const { labels, source } = guessLabels(found.head, classesOf(found.head, outputs), metadata);
  const input = { ...shape, ...normalisation(found.head, outputs, shape) };
  const text =
    `${found.head}: ${found.reason}, ${shapesOf(outputs)}; labels: ${source}; input ${shape.width} × ${shape.height} ` +
    `${input.colour} ${shape.layout} ${shape.dtype}, ${input.fit}`;
  return { head: found.head, input, labels, text };
}

interface HeadGuess {
  readonly head: HeadName;
  readonly reason: string;
}

function guessHead(inputs: readonly Port[], outputs: Outputs, shape: InputShape): HeadGuess {
  const names = Object.keys(outputs);
  const has = (...wanted: string[]) => wanted.every((name) => names.includes(name));

  if (has('boxes', 'scores', 'anchors')) return { head: 'ssdlite', reason: 'raw SSD with anchors' };
  if (has('labels', 'boxes', 'scores') && inputs.some(({ name }) => name === 'orig_target_sizes'))
    return { head: 'detr-postprocessed', reason: 'labels, boxes and scores' };
  if (['boxes', 'classes', 'scores'].every((part) => names.some((name) => name.includes(part))))
    return { head: 'ssd-tf', reason: "TensorFlow SSD's outputs" };

  const found = queries(outputs);
  if (found !== undefined) {
    const count = found.boxes.dims[1] ?? 0;
    if (count > 1000)
      throw new ProblemError(
        'unsupported_model',
        `Raw SSD outputs without anchors (${shapesOf(outputs)}). Export with the postprocessor, or with an output "anchors".`,
      );
    return count === 100
      ? { head: 'detr-softmax', reason: '100 queries as DETR has' }
      : { head: 'detr-sigmoid', reason: 'queries with logits and boxes' };
  }

  const [only, ...others] = Object.values(outputs);
  if (only?.dims.length === 3 && others.length === 0) {
    const yolo = guessYolo(only, shape);
    if (yolo !== undefined) return yolo;
    throw new ProblemError(
      'unsupported_model',
      `No YOLO of this input size has the output ${shapesOf(outputs)}. ${CARD}`,
    );
  }
  throw new ProblemError(
    'unsupported_model',
    classValues(outputs) === undefined
      ? `No known detector has these outputs: ${shapesOf(outputs)}. ${CARD}`
      : `The model seems to be a classifier by its output ${shapesOf(outputs)}. ${CLASSIFIER_CARD}`,
  );
}

function guessYolo(output: Output, size: InputShape): HeadGuess | undefined {
  const [, rows = 0, columns = 0] = output.dims;
  const { width, height } = size;
  const cells = [8, 16, 32].reduce((sum, s) => sum + Math.floor(width / s) * Math.floor(height / s), 0);
  if (rows === cells && columns > 5) {
    if (!inPixels(output, size)) return { head: 'yolox', reason: 'one row per grid cell' };
    return everyObjectness(output) === 1
      ? { head: 'yolov6', reason: 'one row per grid cell, boxes in pixels, objectness 1 everywhere' }
      : { head: 'yolox-decoded', reason: 'one row per grid cell, boxes in pixels already' };
  }
  if (rows === 3 * cells && columns > 5) return { head: 'yolov5', reason: 'three rows per grid cell' };
  if (columns === 6 && rows <= 1000) return { head: 'end-to-end', reason: 'rows of box, score, class' };
  if (columns > rows && rows > 4) return { head: 'yolov8', reason: 'classes before boxes as in v8 and 11' };
  return undefined;
}

/**
 * Whether the rows of a grid hold boxes in pixels: then their centres lie all over the picture, whatever is in it, half of them beyond
 * an eighth of it. Raw ones are offsets from each one's own cell, a few cells at most.
 */
function inPixels(output: Output, { width, height }: InputShape): boolean {
  return medianOf(output, 0) > width / 8 && medianOf(output, 1) > height / 8;
}

function medianOf(output: Output, column: number): number {
  const sorted = columnOf(output, column).sort();
  return sorted[sorted.length >> 1] ?? 0;
}

/** The objectness that all rows have, undefined where they differ. */
function everyObjectness(output: Output): number | undefined {
  const [first, ...rest] = new Set(columnOf(output, 4));
  return rest.length === 0 ? first : undefined;
}

function columnOf({ dims: [, rows = 0, columns = 0], data }: Output, column: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, row) => data[row * columns + column] ?? 0);
}

/** How many classes outputs of that family have; undefined where they do not tell. */
function classesOf(head: HeadName, outputs: Outputs): number | undefined {
  const [, rows = 0, columns = 0] = Object.values(outputs)[0]?.dims ?? [];
  switch (head) {
    case 'yolov5':
    case 'yolov6':
    case 'yolox':
    case 'yolox-decoded':
      return columns - 5;
    case 'yolov8':
      return rows - 4;
    case 'detr-sigmoid':
      return queries(outputs)?.logits.dims[2];
    case 'detr-softmax':
      return (queries(outputs)?.logits.dims[2] ?? 1) - 1;
    default:
      return undefined;
  }
}

function normalisation(
  head: HeadName,
  outputs: Outputs,
  { dtype }: InputShape,
): Omit<ModelInput, keyof InputShape> {
  const unit = { colour: 'rgb', scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1], pad: 114 } as const;
  const imagenet = { ...unit, mean: [...IMAGENET.mean], std: [...IMAGENET.std] } as const;
  const raw = { ...unit, scale: 1 } as const;
  const plusMinusOne = { ...unit, scale: 2 / 255, mean: [1, 1, 1], pad: 0 } as const;
  switch (head) {
    case 'yolov5':
    case 'yolov6':
    case 'yolov8':
    case 'end-to-end':
      return mutable(unit, 'letterbox');
    case 'yolox':
    case 'yolox-decoded':
      return mutable({ ...raw, colour: 'bgr' }, 'letterbox-topleft');
    case 'detr-softmax':
      return mutable(imagenet, 'stretch');
    case 'detr-sigmoid':
      // RF-DETR calls its outputs dets and labels, and alone of these wants ImageNet's mean.
      return mutable('dets' in outputs ? imagenet : unit, 'stretch');
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
