/** Warm models: opened once per model file and process, shared by all who ask for them. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import { Lanes } from '@darkroom/platform/lanes.ts';
import type { Tensor } from '../picture/prepare.ts';
import {
  defaultModelPath,
  type ModelCard,
  type ModelInput,
  type ModelLabels,
  modelInput,
  readCard,
} from './card.ts';
import type { Outputs } from './detection.ts';
import { refuseForeignModel } from './foreign.ts';
import { guess, guessInputShape, imageInput } from './guess.ts';
import { type HeadName, heads } from './heads/index.ts';
import type { SuppressOptions } from './heads/suppress.ts';
import { type Feeds, type Inference, openInference } from './inference.ts';
import { onnxMetadata } from './onnx/onnx.ts';

export interface ModelOptions {
  /** The ONNX file, its card, if any, beside it; when undefined, the default detector in `modelsDir`. */
  readonly modelPath: string | undefined;
  readonly modelsDir: string;
  /** `cuda` needs ONNX Runtime's CUDA files; without them it is an error, not the CPU. */
  readonly device: 'cpu' | 'cuda';
  /** How many pictures are inferred at once, where so many wait; each lane holds the model in memory. */
  readonly lanes: number;
  /** Of one inference; lanes × threads should not exceed the cores. */
  readonly threads: number;
}

export interface Model {
  readonly identity: ModelIdentity;
  readonly input: ModelInput;
  readonly head: HeadName;
  readonly labels: ModelLabels;
  readonly suppress: SuppressOptions;
  /** Room for decoded pictures: those that are inferred, one that is prepared, one that is drawn into. */
  readonly room: Lanes;
  /** How the model was understood, in words: what was guessed, or that the card said it. */
  readonly understood: string;
  /** Runs the model, taking the tensor's memory along; waits for a free lane first, and gives up waiting when the signal aborts. */
  infer(tensor: Tensor, signal?: AbortSignal): Promise<Outputs>;
}

const opened = new Map<string, Promise<Model>>();

/**
 * The model at `modelPath`, opened once per process, contents and options. Throws `unsupported_model` when it is no ONNX detector
 * that is understood; the message says what to do.
 */
export async function openModel(options: ModelOptions): Promise<Model> {
  const path = pathOf(options);
  const file = await readFile(path).catch((cause: unknown) => {
    throw new ProblemError(
      'unsupported_model',
      `The model ${path} cannot be read. Set MODEL_PATH to an ONNX file, or make the default one with ` +
        '`node activities/recognition/converter/setup.ts DIR`.',
      { cause },
    );
  });
  refuseForeignModel(path, file);
  const card = await readCard(path);
  const digest = createHash('sha256').update(file).digest('hex');
  const key = JSON.stringify([digest, card, options]);
  const known = opened.get(key);
  if (known !== undefined) return known;
  const model = createModel(file, digest, card, options);
  opened.set(key, model);
  model.catch(() => opened.delete(key));
  return model;
}

const pathOf = ({ modelPath, modelsDir }: ModelOptions): string => modelPath ?? defaultModelPath(modelsDir);

async function createModel(
  file: Buffer,
  digest: string,
  card: ModelCard,
  options: ModelOptions,
): Promise<Model> {
  const inference = await open(pathOf(options), digest, options);
  try {
    return await understand(inference, file, digest, card, options);
  } catch (error) {
    await inference.close();
    throw error;
  }
}

/** Finds out what the model takes and gives, by its card and by a run on an empty picture. */
async function understand(
  inference: Inference,
  file: Buffer,
  digest: string,
  card: ModelCard,
  options: ModelOptions,
): Promise<Model> {
  const path = pathOf(options);
  const metadata = readMetadata(file);
  const { inputs } = inference;
  const image = imageInput(inputs).name;
  const shape = { ...guessInputShape(inputs, metadata), ...defined(card.input ?? {}) };

  const run = (tensor: Tensor, signal?: AbortSignal): Promise<Outputs> => {
    const feeds: Feeds = {
      [image]:
        tensor.data instanceof Float32Array
          ? { type: 'float32', data: tensor.data, dims: tensor.dims }
          : { type: 'uint8', data: tensor.data, dims: tensor.dims },
      ...(inputs.some(({ name }) => name === 'orig_target_sizes') && {
        orig_target_sizes: {
          type: 'int64',
          data: BigInt64Array.of(BigInt(shape.width), BigInt(shape.height)),
          dims: [1, 2],
        },
      }),
    };
    return inference.run(feeds, signal);
  };

  // The first run is slow in any case, and it tells the real shapes where the file leaves them open.
  const warm = await run(blank(shape)).catch((cause: unknown) => {
    throw new ProblemError(
      'unsupported_model',
      `The model does not run on an empty picture of ${shape.width} × ${shape.height}: ${String(cause)}. ` +
        'Put the right input into its model card.',
      { cause },
    );
  });
  const outputs = Object.entries(warm).map(([name, { dims }]) => ({ name, type: 'float32', dims }));
  const whole = modelInput.safeParse(card.input);
  const complete = card.head !== undefined && card.labels !== undefined && whole.success;
  const guessed = complete ? undefined : guess(inputs, outputs, shape, metadata);
  const head = card.head ?? guessed?.head;
  const labels = card.labels ?? guessed?.labels;
  const input = whole.data ?? (guessed && { ...guessed.input, ...defined(card.input ?? {}) });
  if (head === undefined || labels === undefined || input === undefined)
    throw new ProblemError('unsupported_model', 'The model card is incomplete and nothing could be guessed.');

  return {
    identity: {
      name: card.name ?? basename(path, extname(path)),
      version: card.version ?? digest.slice(0, 12),
      digest,
    },
    input,
    head,
    labels,
    suppress: { ...heads[head].suppress, ...defined(card.suppress ?? {}) },
    understood: guessed === undefined ? `${head}, as its model card says` : `guessed ${guessed.text}`,
    room: new Lanes(options.lanes + 2),
    infer: run,
  };
}

async function open(
  path: string,
  digest: string,
  { device, threads, lanes }: ModelOptions,
): Promise<Inference> {
  try {
    return await openInference({ path, digest, device, threads }, lanes);
  } catch (cause) {
    throw new ProblemError(
      'unsupported_model',
      `ONNX Runtime cannot open ${basename(path)} (${device}): ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

function readMetadata(file: Buffer): Record<string, string> {
  try {
    return onnxMetadata(file);
  } catch (cause) {
    throw new ProblemError('unsupported_model', 'The file is not an ONNX model.', { cause });
  }
}

function blank({
  width,
  height,
  layout,
  dtype,
}: Pick<ModelInput, 'width' | 'height' | 'layout' | 'dtype'>): Tensor {
  const dims = layout === 'nchw' ? [1, 3, height, width] : [1, height, width, 3];
  const length = 3 * width * height;
  return { dims, data: dtype === 'uint8' ? new Uint8Array(length) : new Float32Array(length) };
}

/** Without the fields that are undefined, so that spreading it over defaults keeps these. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
