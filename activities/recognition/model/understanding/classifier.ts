/** What a classifier is: all that numbers depend on its card says; the trial run shows that this fits the file. */
import { type ModelIdentity, type ModelTensors, ProblemError } from '@darkroom/contract';
import type { ClassifierCard, ModelLabels } from '../card/card.ts';
import { inputSizeOf, type Preprocess } from '../card/preprocess.ts';
import { classValues } from '../heads/classifier.ts';
import { shapesOf } from '../heads/outputs.ts';
import imagenet from '../imagenet.json' with { type: 'json' };
import { feeding } from './feeds.ts';
import { type ModelFile, type Session, trial } from './trial.ts';

export interface ClassifierUnderstanding {
  readonly identity: ModelIdentity;
  readonly head: 'classifier';
  readonly preprocess: Preprocess;
  /** What it gives for each class: `probabilities` as they are, `logits` still to go through a softmax. */
  readonly outputs: ClassifierCard['outputs'];
  readonly labels: ModelLabels;
  /** Whether the card left the labels to be guessed. */
  readonly guessed: boolean;
  /** How the model was understood, in words. */
  readonly understood: string;
  /** What the file itself takes and gives. */
  readonly tensors?: ModelTensors | undefined;
}

/**
 * Finds out whether the file is the classifier that its card describes, by a run on an empty picture. Throws `unsupported_model` when it
 * does not run, or gives something else; the message says what to do.
 */
export async function understandClassifier(
  file: ModelFile,
  card: ClassifierCard,
  session: Session,
): Promise<ClassifierUnderstanding> {
  const { layout, dtype } = card.preprocess;
  const input = { ...inputSizeOf(card.preprocess), layout, dtype };
  const outputs = await trial(session, feeding(session.inputs, input), input);
  const values = classValues(outputs);
  if (values === undefined)
    throw new ProblemError(
      'unsupported_model',
      `The model card says classifier, which has one output [1, classes]; the model gives ${shapesOf(outputs)}.`,
    );
  requireSaid(card.outputs, values);
  const { labels, source } = labelsOf(card.labels, values.length);
  return {
    identity: file.identity,
    head: 'classifier',
    preprocess: card.preprocess,
    outputs: card.outputs,
    labels,
    guessed: card.labels === undefined,
    understood: `classifier of ${values.length} classes, ${card.outputs}, as its model card says${source}`,
  };
}

/**
 * What an empty picture gives shows when the card is mistaken: probabilities lie from 0 to 1, and logits that do so and add up to 1 besides
 * have been through a softmax already. A second one would make all classes about equally likely, which nobody would be told.
 */
function requireSaid(said: ClassifierCard['outputs'], values: Float32Array): void {
  const within = values.every((value) => value >= -1e-6 && value <= 1 + 1e-6);
  const sum = values.reduce((total, value) => total + value, 0);
  if (said === 'probabilities' && !within)
    throw new ProblemError(
      'unsupported_model',
      'The model card says probabilities, and the model gives values beyond 0 to 1: put "outputs": "logits" into it.',
    );
  if (said === 'logits' && within && Math.abs(sum - 1) < 1e-3)
    throw new ProblemError(
      'unsupported_model',
      'The model card says logits, and the model gives values from 0 to 1 that add up to 1: put "outputs": "probabilities" into it.',
    );
}

function labelsOf(labels: ModelLabels | undefined, classes: number): { labels: ModelLabels; source: string } {
  if (labels === undefined)
    return classes === imagenet.length
      ? { labels: imagenet, source: "; labels: ImageNet's 1000 assumed" }
      : {
          labels: Array.from({ length: classes }, (_, id) => `class ${id}`),
          source: '; labels: unknown',
        };
  const highest = Array.isArray(labels) ? labels.length - 1 : Math.max(...Object.keys(labels).map(Number));
  if (highest >= classes || (Array.isArray(labels) && labels.length !== classes))
    throw new ProblemError(
      'unsupported_model',
      `The model card has labels up to class ${highest}; the model gives ${classes} classes, from 0 to ${classes - 1}.`,
    );
  return { labels, source: '' };
}
