/** The options of an analysis as the fields of a form: text, to be given types and judged by the contract. */
import type { AnalysisOptions, VideoOptions } from '@darkroom/contract';
import { fieldProblem } from '../../../requests/multipart.ts';
import type { Media } from '../media.ts';
import { optionsOf } from './options.ts';

type Fields = Record<string, unknown>;
type Read = (value: string, before: unknown) => unknown;

const once =
  (read: (value: string) => unknown): Read =>
  (value, before) => {
    if (before !== undefined) throw new RangeError('is given twice');
    return read(value);
  };

const flag = (value: string): unknown => ({ true: true, false: false })[value.toLowerCase()] ?? value;
const number = (value: string): unknown => (Number.isNaN(Number(value)) ? value : Number(value));
/** `null` stands for the absence of a value, as in JSON. */
const numberOrNull = (value: string): unknown => (value === 'null' ? null : number(value));
const list: Read = (value, before) => [
  ...(Array.isArray(before) ? before : []),
  ...value
    .split(',')
    .map((label) => label.trim())
    .filter((label) => label !== ''),
];

/** `{"person":0.6}`, or `person=0.6` as often as needed, separated by commas. */
const scores: Read = (value, before) => {
  if (value.startsWith('{')) return once(json)(value, before);
  const all = new Map<string, unknown>(Object.entries(before ?? {}));
  for (const pair of value.split(',')) {
    if (pair.trim() === '') continue;
    const at = pair.lastIndexOf('=');
    const [label, score] = [pair.slice(0, Math.max(at, 0)).trim(), pair.slice(at + 1).trim()];
    if (label === '' || score === '') throw new RangeError('has the form label=score, or is JSON');
    if (all.has(label)) throw new RangeError(`is given twice for ${JSON.stringify(label)}`);
    all.set(label, number(score));
  }
  return Object.fromEntries(all);
};

function json(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new RangeError('is no JSON');
  }
}

const readers: Readonly<Record<keyof VideoOptions, Read>> = {
  model: once((value) => value),
  scoreThreshold: once(number),
  labels: list,
  annotate: once(flag),
  thresholds: scores,
  iou: once(number),
  classAgnostic: once(flag),
  maxDetections: once(number),
  mode: once((value) => value),
  from: once(number),
  to: once(numberOrNull),
  shortestScene: once(number),
  longestScene: once(number),
  cutThreshold: once(number),
  sampleEvery: once(numberOrNull),
  gradual: once(flag),
  statistics: once(flag),
};

/**
 * Collects fields in any order. A field with nothing in it counts as not sent, as browsers send what was left blank; `labels` and `thresholds` may be
 * repeated, comma-separated, or both. Throws ProblemError `validation_failed` at the first field that is unknown or repeated.
 */
export class AnalysisForm {
  readonly #fields: Fields = {};

  add(name: string, value: string): void {
    if (!Object.hasOwn(readers, name)) {
      const known = Object.keys(readers).join(', ');
      throw fieldProblem(name, `is not known here; known are file, files, ${known}`);
    }
    if (value.trim() === '') return;
    const read = readers[name as keyof VideoOptions];
    try {
      this.#fields[name] = read(value.trim(), this.#fields[name]);
    } catch (error) {
      if (error instanceof RangeError) throw fieldProblem(name, error.message);
      throw error;
    }
  }

  /** The options so far, defaults filled in; see {@link optionsOf}. */
  options(media: Media): AnalysisOptions | VideoOptions {
    return optionsOf(media, this.#fields);
  }
}
