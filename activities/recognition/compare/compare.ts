/** Where the numbers of a Python pipeline and ours part, hop by hop. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { ProblemError } from '@darkroom/contract';
import { z } from 'zod';
import type { ModelCard } from '../model/card/card.ts';
import { parseCard } from '../model/card/file.ts';
import { softmax } from '../model/heads/classifier.ts';
import type { Raster, Tensor } from '../picture/prepare.ts';
import type { Pixels } from '../picture/resize/pillow.ts';
import { type Difference, differenceOf, isAlike, isWithin, type Values } from './difference.ts';
import { type ExpectedHops, expectedHops, type Hop, type HopName, hopNames } from './expected.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

export interface Row {
  readonly hop: HopName | 'top1';
  /** Our hop fed with what they had before it, where they told all of that. */
  readonly fromTheirs?: Difference;
  /** All of our hops, from the picture. */
  readonly fromPicture: Difference;
  /** What the first of these is held to. */
  readonly tolerance: number;
  readonly within: boolean;
}

export interface Comparison {
  readonly rows: readonly Row[];
  /** The first hop beyond its tolerance. */
  readonly parts?: Row['hop'];
  /** The model is not there, and what it gives was not compared. */
  readonly uninferred: boolean;
}

export type Tolerances = Partial<Record<HopName | 'top1', number>>;

/** Largest differences: from what they had before the hop, and from the picture, where earlier hops add theirs. Those of the tensor in levels from there. */
const defaults = {
  decoded: { fromTheirs: 2, fromPicture: 2 },
  resized: { fromTheirs: 1, fromPicture: 2 },
  tensor: { fromTheirs: 1e-4, fromPicture: 2 },
  output: { fromTheirs: 1e-4, fromPicture: 0.1 },
} as const;
const PROBABILITY = 0.02;

/**
 * Compares what the file at `expectedPath` tells with what is done here by the card, in the order of the hops. Throws `invalid_request` for what is
 * wrong with that file, `unsupported_model` for card and model, and what `probe` and `decode` throw of the picture.
 */
export async function compareModel(
  cardPath: string,
  expectedPath: string,
  tolerances: Tolerances = {},
): Promise<Comparison> {
  const card = await parseCard(cardPath, await readFile(cardPath, 'utf8'));
  const expected = parseExpected(expectedPath, await readFile(expectedPath, 'utf8'));
  const picture = await readFile(resolve(dirname(expectedPath), expected.picture));
  const pipeline = await openPipeline(resolve(cardPath), card);
  const ours = await run(pipeline, await pipeline.decode(picture));
  const again = await fedWithTheirs(pipeline, expected, ours);
  const rows = hopNames.flatMap((hop): Row[] => {
    const theirs = expected[hop];
    const own = ours[hop];
    if (theirs === undefined || own === undefined) return [];
    const fed = again[hop];
    const fromPicture = differenceOf(own, theirs);
    const fromTheirs = fed && differenceOf(fed, theirs);
    const usual = defaults[hop][fromTheirs ? 'fromTheirs' : 'fromPicture'];
    const unit = hop === 'tensor' && fromTheirs === undefined ? pipeline.level : 1;
    const tolerance = tolerances[hop] ?? usual * unit;
    const within = isWithin(fromTheirs ?? fromPicture, tolerance);
    return [{ hop, ...(fromTheirs && { fromTheirs }), fromPicture, tolerance, within }];
  });
  const top = topRow(card, expected, ours.output, tolerances.top1);
  const all = top === undefined ? rows : [...rows, top];
  const parts = all.find(({ within }) => !within)?.hop;
  const uninferred = ours.output === undefined && (expected.output ?? expected.top1) !== undefined;
  return { rows: all, ...(parts && { parts }), uninferred };
}

function parseExpected(path: string, text: string): ExpectedHops {
  try {
    return expectedHops.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new ProblemError('invalid_request', `${basename(path)} is not as it should be: ${reason}`, {
      cause: error,
    });
  }
}

type Ours = { readonly [hop in HopName]?: Values };

/** All hops from a decoded picture. */
async function run(pipeline: Pipeline, raster: Raster): Promise<Ours> {
  const resized = await pipeline.resize(raster);
  const tensor = pipeline.tensor(resized, raster);
  return {
    decoded: ofPixels(raster),
    resized: ofPixels(resized),
    tensor: ofTensor(tensor),
    ...(await inferred(pipeline, tensor)),
  };
}

/** Each hop but the first from what they had before it. */
async function fedWithTheirs(pipeline: Pipeline, expected: ExpectedHops, ours: Ours): Promise<Ours> {
  const [decoded, resized, tensor] = [expected.decoded, expected.resized, expected.tensor].map(wholeOf);
  const [height = 0, width = 0] = (decoded ?? ours.decoded)?.shape ?? [];
  const raster = decoded && rasterOf(decoded);
  const small = resized && sameShape(resized, ours.resized) && rasterOf(resized);
  const numbers = tensor && sameShape(tensor, ours.tensor);
  return {
    ...(raster && { resized: ofPixels(await pipeline.resize(raster)) }),
    ...(small && { tensor: ofTensor(pipeline.tensor(small, { width, height })) }),
    ...(numbers && ours.tensor && (await inferred(pipeline, tensorFrom(numbers, ours.tensor)))),
  };
}

async function inferred({ infer }: Pipeline, tensor: Tensor): Promise<{ readonly output?: Values }> {
  if (infer === undefined) return {};
  // The runtime takes the tensor's memory along.
  const { dims, data } = await infer({ dims: tensor.dims, data: tensor.data.slice() });
  return { output: { shape: dims, data } };
}

const ofPixels = ({ data, width, height }: Pixels): Values => ({ shape: [height, width, 3], data });
const ofTensor = ({ dims, data }: Tensor): Values => ({ shape: dims, data });

interface Whole {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** What they had, where they told all of it. */
const wholeOf = (hop: Hop | undefined): Whole | undefined =>
  hop?.values !== undefined && hop.every === 1 ? { shape: hop.shape, values: hop.values } : undefined;

/** `theirs`, where the next hop can take it. */
const sameShape = (theirs: Whole, ours: Values | undefined): Whole | undefined =>
  ours !== undefined && isAlike(theirs.shape, ours.shape) ? theirs : undefined;

function rasterOf({ shape: [height = 0, width = 0, channels], values }: Whole): Raster | undefined {
  return channels === 3 ? { width, height, data: Buffer.from(values) } : undefined;
}

function tensorFrom({ values }: Whole, { shape, data }: Values): Tensor {
  return {
    dims: shape,
    data: data instanceof Float32Array ? Float32Array.from(values) : Uint8Array.from(values),
  };
}

/** Whether the best class is theirs, and how far its probability is from theirs. */
function topRow(
  card: ModelCard,
  { top1 }: ExpectedHops,
  output: Values | undefined,
  tolerance = PROBABILITY,
): Row | undefined {
  if (top1 === undefined || output === undefined || card.task !== 'classifier') return undefined;
  const logits = Float32Array.from(output.data);
  const scores = card.outputs === 'logits' ? softmax(logits) : Float64Array.from(logits);
  const probability = Math.max(...scores);
  const best = scores.indexOf(probability);
  const apart = Math.abs(probability - (top1.probability ?? probability));
  const fromPicture: Difference =
    best === top1.class
      ? { kind: 'numbers', largest: apart, mean: apart }
      : { kind: 'shape', ours: [best], theirs: [top1.class] };
  return { hop: 'top1', fromPicture, tolerance, within: isWithin(fromPicture, tolerance) };
}
