/** Lists of a job of cutouts, looked at before there is a job: whether they can be read, and what they come to. */
import {
  cutoutsKind,
  cutoutsOptions,
  type ListFormat,
  type PlanSource,
  ProblemError,
} from '@darkroom/contract';
import { firstRow, RowReader, UnreadableRows } from '@darkroom/frame/plan/rows.ts';
import { overLimit } from '@darkroom/records';
import { askedOf } from '@darkroom/sky/jobs/list/asked.ts';
import { expectingBySize } from '@darkroom/sky/jobs/list/expected.ts';
import { ListOutlook } from '@darkroom/sky/jobs/list/outlook.ts';
import type { PlacelessRequest } from '@darkroom/sky/survey/choose.ts';
import { pixelScaleOf } from '@darkroom/sky/survey/records/surveys.ts';
import type { Actor, ApiDeps } from '../context.ts';

type LookDeps = Pick<ApiDeps, 'config' | 'records' | 'storage' | 'cutting'>;

/** What a list comes to, as far as it was read. */
export interface LookedAt {
  readonly rows: number;
  /** Of those that were read. */
  readonly broken: number;
  /** Whether the list was read to its end; else what is told of it goes by its beginning. */
  readonly exact: boolean;
  readonly size: { readonly cutouts: number; readonly pixels: number; readonly bytes: number };
}

/** The rows as they come. */
export interface ListRows {
  readonly format: ListFormat;
  readonly content: AsyncIterable<Uint8Array>;
  /** Of the whole list, where `content` is its beginning alone. */
  readonly ofBytes?: number;
  /** What it is called. */
  readonly name: string;
  /** Where its rows stand in the request. */
  readonly pointer?: string;
}

/** Bytes of a list in the store that are read: a hundred thousand rows. */
const mostRead = 4 * 1024 * 1024;

/** Milliseconds of looking at rows, after which others have the event loop: with many parameter sets a row may take long. */
const turnMs = 10;

/**
 * The parameter sets of a job, all of which its sender may have. Throws ProblemError `unknown_survey`, `survey_not_granted`, `unknown_band`,
 * `validation_failed`, which name the set.
 */
export async function readSets(
  { records: { db } }: Pick<LookDeps, 'records'>,
  caller: Actor,
  input: Record<string, unknown>,
): Promise<readonly PlacelessRequest[]> {
  return (await askedOf(db, caller, cutoutsOptions.parse(input))).sets;
}

/**
 * Looks at the list of a job with those options, of which a large one is read in its beginning. Throws ProblemError `validation_failed`,
 * `empty_file`, `invalid_row`, `swapped_columns`, `too_many_items`, and StorageError.
 */
export async function lookAtStored(
  deps: LookDeps,
  sets: readonly PlacelessRequest[],
  onError: 'fail' | 'skip',
  list: PlanSource,
  { pointer, signal }: { readonly pointer?: string; readonly signal: AbortSignal },
): Promise<LookedAt> {
  if (list.format !== 'csv' && list.format !== 'ndjson') {
    const detail = 'has to be a list: .csv, .ndjson or .jsonl';
    throw new ProblemError('validation_failed', `The source ${detail}.`, {
      errors: [{ pointer: '/source', detail }],
    });
  }
  const { format, uri, etag, bytes } = list;
  const range = { start: 0, length: Math.min(bytes, mostRead) };
  const content =
    bytes === 0 ? none() : (await deps.storage.get(uri, { ifMatch: etag, range, signal })).stream;
  const rows: ListRows = {
    format,
    content: content as AsyncIterable<Uint8Array>,
    name: pointer === undefined ? uri : 'The list',
    ...(bytes > mostRead && { ofBytes: bytes }),
    ...(pointer !== undefined && { pointer }),
  };
  return lookAt(deps, sets, onError, rows);
}

/** As {@link lookAtStored}, of rows that come from anywhere. */
export async function lookAt(
  deps: Pick<LookDeps, 'config' | 'records' | 'cutting'>,
  sets: readonly PlacelessRequest[],
  onError: 'fail' | 'skip',
  { format, content, ofBytes, name, pointer }: ListRows,
): Promise<LookedAt> {
  const { limits } = deps.config;
  const outlook = new ListOutlook(await expectingOf(deps, sets));
  const reader = new RowReader(format, firstRow, limits.planRowBytes);
  let begun = performance.now();
  const add = async (read: ReturnType<RowReader['push']>): Promise<void> => {
    for (const { number, value } of read) {
      outlook.add(number, value);
      if (performance.now() - begun < turnMs) continue;
      await new Promise((next) => setImmediate(next));
      begun = performance.now();
    }
  };
  try {
    for await (const chunk of content) await add(reader.push(chunk));
    if (ofBytes === undefined) await add(reader.end());
  } catch (error) {
    if (!(error instanceof UnreadableRows)) throw error;
    throw new ProblemError('invalid_row', `Behind row ${outlook.rows} of ${name}: ${error.message}.`);
  }
  if (outlook.rows === 0 && ofBytes === undefined)
    throw new ProblemError('empty_file', `${name} has no row.`);
  outlook.requireReadable({ onError, ...(pointer !== undefined && { pointer }) });
  const times = ofBytes === undefined ? 1 : ofBytes / Math.max(1, reader.cursor.at);
  const { cutouts, pixels, bytes } = outlook.size;
  const size = {
    cutouts: Math.round(cutouts * times),
    pixels: Math.round(pixels * times),
    bytes: Math.round(bytes * times),
  };
  const rows = Math.round(outlook.rows * times);
  const exact = ofBytes === undefined;
  // What is not counted is refused by the plan, which counts it.
  if (exact) requireWithin(rows, size, limits);
  return { rows, broken: outlook.broken, exact, size };
}

function requireWithin(rows: number, size: LookedAt['size'], limits: ApiDeps['config']['limits']): void {
  if (rows > limits.planRows)
    throw new ProblemError(
      'too_many_items',
      `The list has ${rows} rows; the limit is ${limits.planRows} (LIMIT_PLAN_ROWS).`,
    );
  const refusal = overLimit(cutoutsKind, size, limits.jobs);
  if (refusal !== undefined) throw new ProblemError('too_many_items', refusal);
}

async function expectingOf(
  { records: { db }, cutting: { estimates } }: Pick<LookDeps, 'records' | 'cutting'>,
  sets: readonly PlacelessRequest[],
): Promise<ReturnType<typeof expectingBySize>[]> {
  await estimates.ready();
  const scales = new Map<string, number>();
  for (const { survey } of sets)
    if (!scales.has(survey)) scales.set(survey, (await pixelScaleOf(db, survey)) ?? assumedScale);
  return sets.map((set) =>
    expectingBySize(
      set,
      { scale: scales.get(set.survey) ?? assumedScale },
      (of) => estimates.estimate(of).bytes?.p50 ?? 0,
    ),
  );
}

/** Degrees a pixel of a survey that has no image: nothing of it is made. */
const assumedScale = 1 / 3600;

async function* none(): AsyncGenerator<Uint8Array> {}
