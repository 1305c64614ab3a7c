/** What a model is: told by its file, its card and a trial run on an empty picture. A value that can cross processes. */
import { type ModelIdentity, type ModelTensors, ProblemError } from '@darkroom/contract';
import {
  type DetectorCard,
  type ModelCard,
  type ModelInput,
  type ModelLabels,
  modelInput,
} from '../card/card.ts';
import { type HeadName, heads } from '../heads/index.ts';
import type { SuppressOptions } from '../heads/suppress.ts';
import { onnxMetadata } from '../onnx/onnx.ts';
import { type ClassifierUnderstanding, understandClassifier } from './classifier.ts';
import { feeding } from './feeds.ts';
import { guess, guessInputShape } from './guess.ts';
import { type ModelFile, type Session, trial } from './trial.ts';

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
  /** What the file itself takes and gives. */
  readonly tensors?: ModelTensors | undefined;
}

/** What a model is, of whichever kind; told apart by `head`. */
export type AnyUnderstanding = Understanding | ClassifierUnderstanding;

type ClassifierOf<T> = Extract<T, { readonly head: 'classifier' }>;
type DetectorOf<T> = Exclude<T, { readonly head: 'classifier' }>;
type WithHead = { readonly head: string };

export const isClassifier = <T extends WithHead>(model: T): model is ClassifierOf<T> =>
  model.head === 'classifier';

const isDetector = <T extends WithHead>(model: T): model is DetectorOf<T> => !isClassifier(model);

/** Throws `unsupported_model` for a classifier. */
export function requireDetector<T extends AnyUnderstanding>(model: T): DetectorOf<T> {
  if (isDetector(model)) return model;
  throw noDetector(model.identity.name);
}

export const noDetector = (name: string): ProblemError =>
  new ProblemError(
    'unsupported_model',
    `By its card ${name} is a classifier, which finds no boxes; recognition needs a detector.`,
  );

/** Throws `unsupported_model` for a detector. */
export function requireClassifier<T extends AnyUnderstanding>(model: T): ClassifierOf<T> {
  if (isClassifier(model)) return model;
  throw new ProblemError(
    'unsupported_model',
    `${model.identity.name} is a detector, which tells no classes of a whole picture.`,
  );
}

/**
 * Finds out what the model takes and gives, by its card and by a run on an empty picture. Throws `unsupported_model` when it does not
 * run, or is no model that is understood; the message says what to do.
 */
export async function understand(
  file: ModelFile,
  card: ModelCard,
  session: Session,
): Promise<AnyUnderstanding> {
  return card.task === 'classifier'
    ? understandClassifier(file, card, session)
    : understandDetector(file, card, session);
}

async function understandDetector(
  file: ModelFile,
  card: DetectorCard,
  session: Session,
): Promise<Understanding> {
  const { inputs } = session;
  const metadata = readMetadata(file.bytes);
  const shape = { ...guessInputShape(inputs, metadata), ...defined(card.input ?? {}) };
  const outputs = await trial(session, feeding(inputs, shape), shape);
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
  return {
    identity: file.identity,
    input,
    head,
    labels,
    suppress: { ...heads[head].suppress, ...defined(card.suppress ?? {}) },
    guessed: guessed !== undefined,
    understood: guessed === undefined ? `${head}, as its model card says` : `guessed ${guessed.text}`,
  };
}

function readMetadata(file: Buffer): Record<string, string> {
  try {
    return onnxMetadata(file);
  } catch (cause) {
    throw new ProblemError('unsupported_model', 'The file is not an ONNX model.', { cause });
  }
}

/** Without the fields that are undefined, so that spreading it over defaults keeps these. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
