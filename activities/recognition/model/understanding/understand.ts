/** What a model is: told by its file, its card and a trial run on an empty picture. A value that can cross processes. */
import { basename, extname } from 'node:path';
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import type { Tensor } from '../../picture/prepare.ts';
import {
  type DetectorCard,
  type ModelCard,
  type ModelInput,
  type ModelLabels,
  modelInput,
} from '../card/card.ts';
import type { Outputs } from '../detection.ts';
import { type HeadName, heads } from '../heads/index.ts';
import type { SuppressOptions } from '../heads/suppress.ts';
import type { Feeds } from '../inference.ts';
import { onnxMetadata } from '../onnx/onnx.ts';
import { feeding } from './feeds.ts';
import { guess, guessInputShape, type Port } from './guess.ts';

export interface Understanding {
  readonly identity: ModelIdentity;
  readonly input: ModelInput;
  readonly head: HeadName;
  readonly labels: ModelLabels;
  readonly suppress: SuppressOptions;
  /** Whether the card left something to be guessed. */
  readonly guessed: boolean;
  /** How the model was understood, in words: what was guessed, or that the card said it. */
  readonly understood: string;
}

export interface ModelFile {
  /** For its name and for messages; nothing is read there. */
  readonly path: string;
  readonly bytes: Buffer;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

/** A session of the runtime. */
export interface Session {
  readonly inputs: readonly Port[];
  run(feeds: Feeds): Promise<Outputs>;
}

/**
 * Finds out what the model takes and gives, by its card and by a run on an empty picture. Throws `unsupported_model` when it does not
 * run, or is no detector that is understood; the message says what to do.
 */
export async function understand(
  file: ModelFile,
  written: ModelCard,
  session: Session,
): Promise<Understanding> {
  const card = ofDetector(file, written);
  const { inputs } = session;
  const metadata = readMetadata(file.bytes);
  const shape = { ...guessInputShape(inputs, metadata), ...defined(card.input ?? {}) };
  const { feeds, first } = feeding(inputs, shape);
  // The first run is slow in any case, and it tells the real shapes where the file leaves them open.
  const outputs = await session.run(feeds(blank(shape))).then(first, (cause: unknown) => {
    throw new ProblemError(
      'unsupported_model',
      `The model does not run on an empty picture of ${shape.width} × ${shape.height}: ${String(cause)}. ` +
        'Put the right input into its model card.',
      { cause },
    );
  });
  const whole = modelInput.safeParse(card.input);
  const complete = card.head !== undefined && card.labels !== undefined && whole.success;
  const guessed = complete ? undefined : guess(inputs, outputs, shape, metadata, card.head);
  const head = card.head ?? guessed?.head;
  const labels = card.labels ?? guessed?.labels;
  const input = whole.data ?? (guessed && { ...guessed.input, ...defined(card.input ?? {}) });
  if (head === undefined || labels === undefined || input === undefined)
    throw new ProblemError('unsupported_model', 'The model card is incomplete and nothing could be guessed.');
  // What a picture will give is of these shapes too: said now what would be said of every picture.
  heads[head].decode(outputs, { width: input.width, height: input.height, threshold: 1 });
  const { path, digest } = file;
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
    guessed: guessed !== undefined,
    understood: guessed === undefined ? `${head}, as its model card says` : `guessed ${guessed.text}`,
  };
}

function ofDetector({ path }: ModelFile, card: ModelCard): DetectorCard {
  if (card.task !== 'classifier') return card;
  throw new ProblemError(
    'unsupported_model',
    `By its card ${basename(path)} is a classifier, which finds no boxes; recognition needs a detector.`,
  );
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
