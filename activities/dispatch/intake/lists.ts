/**
 * Jobs whose items come as rows of a list, or as entries of an archive, however many: a few rows become items with the job, more lie in the
 * store and are planned by it.
 */
import { createHash } from 'node:crypto';
import {
  isArchive,
  type PlanSource,
  ProblemError,
  type Size,
  type SourceFormat,
  sourceFormatOf,
  sourceTypes,
} from '@darkroom/contract';
import type { Config } from '@darkroom/platform';
import type { Caller, SubmittedItem } from '@darkroom/records';
import type { DispatchDeps } from '../index.ts';
import { fingerprintOf } from './fingerprint.ts';
import { earlierSubmission, sameAs } from './keys.ts';
import { arriving, kindOf, receive, takeBack } from './receive.ts';
import { type Accepted, commit, type Submission, submit } from './submit.ts';
import { spendUpload } from './uploads.ts';

/** Rows at most that become items in the transaction of the submit. */
export const rowsInSubmit = 1000;

interface Fields extends Pick<Submission, 'idempotencyKey' | 'input' | 'record'> {
  /**
   * Looks at the list before a job is made of it: throws where none can be, and comes to the size that the job is expected to have, where that
   * can be told. Rows that are items at once are not looked at: they have been validated.
   */
  readonly look?: ((list: PlanSource) => Promise<Size | undefined>) | undefined;
}

export interface ListSubmission extends Fields {
  readonly fingerprint: string;
  /** The stage that plans the job. */
  readonly stage: string;
  /** What that stage is made of. */
  readonly list: PlanSource;
}

/** Makes a job of a list that lies in the store, however long. */
export async function submitList(
  deps: DispatchDeps,
  kind: string,
  caller: Caller,
  { list, look, ...submission }: ListSubmission,
): Promise<Accepted> {
  const expected = await look?.(list);
  return submit(deps, kind, caller, { ...submission, items: [], stageInput: list, expected });
}

/** A list on its way in. */
export interface ListContent {
  readonly format: SourceFormat;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface ReceivedListSubmission extends Pick<Submission, 'idempotencyKey'> {
  /** The stage that plans the job. */
  readonly stage: string;
  readonly signal?: AbortSignal;
  /** Reads the whole request: gives its list to `take`, once, and comes to what else the job is made of. */
  readonly collect: (take: (list: ListContent) => Promise<void>) => Promise<Omit<Fields, 'idempotencyKey'>>;
}

/**
 * Makes a job of a list that comes with the request, however long: it is stored among the job's inputs as it comes in, some parts of it in
 * memory at a time, and the job is `receiving` until it is whole. What is refused or cut off leaves nothing. With a key that is known
 * already nothing is stored: the list is hashed and compared. Throws `too_large`, `empty_file`.
 */
export async function submitReceivedList(
  deps: DispatchDeps,
  kind: string,
  caller: Caller,
  { idempotencyKey, stage, signal, collect }: ReceivedListSubmission,
): Promise<Accepted> {
  const earlier =
    idempotencyKey === undefined ? undefined : await earlierSubmission(deps, caller.owner, idempotencyKey);
  let id: string | undefined;
  let received: { format: SourceFormat; sha256: string } | undefined;
  let list: PlanSource | undefined;
  const take = async ({ format, content }: ListContent): Promise<void> => {
    const { most, variable } = boundOf(format, deps.config.limits);
    const bounded = atMost(content, most, variable);
    if (earlier !== undefined) {
      received = { format, sha256: await digestOf(bounded) };
      return;
    }
    ({ id } = await receive(deps, kind, caller, { input: {} }));
    const key = inputKey(deps, kind, id, format);
    const written = await deps.storage.uploadStream(key, arriving(deps, id, bounded), {
      contentType: sourceTypes[format],
      maxBytes: most,
      signal,
    });
    const { uri, etag, size: bytes, sha256 } = written;
    if (bytes === 0) throw new ProblemError('empty_file', 'The list has no byte.');
    received = { format, sha256 };
    list = sourceAs(format, { uri, etag, bytes });
  };
  try {
    const { look, ...fields } = await collect(take);
    const fingerprint = fingerprintOf({ list: received, input: fields.input });
    if (earlier !== undefined) return sameAs(earlier, fingerprint);
    if (id === undefined || list === undefined) throw new TypeError('The request was read, and had no list.');
    const expected = await look?.(list);
    const submission = {
      ...fields,
      idempotencyKey,
      fingerprint,
      stage,
      items: [],
      stageInput: list,
      expected,
    };
    return await commit(deps, kind, id, submission);
  } catch (error) {
    if (id !== undefined) await takeBack(deps, id, error);
    throw error;
  }
}

export interface UploadedListSubmission extends Omit<ListSubmission, 'list'> {
  /** Id of a complete upload of the caller's. */
  readonly upload: string;
  /** Whether it may be an archive. */
  readonly archives?: boolean | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Makes a job of an upload that holds a list, whose format its name says. The upload is used up. Throws `not_found`, `upload_incomplete`,
 * `upload_used`, `validation_failed`, `too_large`.
 */
export const submitUploadedList = (
  deps: DispatchDeps,
  kind: string,
  caller: Caller,
  { upload, archives = false, signal, record, look, ...submission }: UploadedListSubmission,
): Promise<Accepted> =>
  spendUpload(deps, caller.owner, upload, async ({ key, filename, etag: was, bytes: size }, use) => {
    const format = sourceFormatOf(filename, archives);
    requireSourceSize(filename, format, size, deps.config.limits);
    const { id } = await receive(deps, kind, caller, { input: {} });
    try {
      const { bucket } = deps.storage;
      const copied = await deps.storage.copy(`s3://${bucket}/${key}`, inputKey(deps, kind, id, format), {
        ifMatch: was ?? undefined,
        signal,
      });
      const { uri, etag, size: bytes } = copied;
      const list = sourceAs(format, { uri, etag, bytes });
      return await commit(deps, kind, id, {
        ...submission,
        items: [],
        stageInput: list,
        expected: await look?.(list),
        record: async (tx, jobId) => {
          await use(tx);
          await record?.(tx, jobId);
        },
      });
    } catch (error) {
      await takeBack(deps, id, error);
      throw error;
    }
  });

export interface RowsSubmission<Row extends object> extends Fields {
  readonly rows: readonly Row[];
  /** The stage that plans the job. */
  readonly stage: string;
  /** Few rows are planned as well: the plan does more than to read them. */
  readonly planned?: boolean;
  /** The stage whose activity works on the items. */
  readonly itemStage: string;
  /** What a row belongs to; as the plan has it. */
  readonly groupOf?: (row: Row) => string;
}

/**
 * Makes a job of rows that came with the request: a few are its items at once, by the numbers of the rows; more are stored as NDJSON among
 * the job's inputs, to be planned. Rows are taken as they are, so that they have been validated.
 */
export async function submitRows<Row extends object>(
  deps: DispatchDeps,
  kind: string,
  caller: Caller,
  { rows, stage, planned = false, itemStage, groupOf, idempotencyKey, look, ...fields }: RowsSubmission<Row>,
): Promise<Accepted> {
  if (planned || rows.length > rowsInSubmit)
    return submitReceivedList(deps, kind, caller, {
      idempotencyKey,
      stage,
      collect: async (take) => {
        await take({ format: 'ndjson', content: ndjson(rows) });
        return { ...fields, look };
      },
    });
  const items = rows.map((row, index): SubmittedItem => {
    const group = groupOf?.(row);
    return { key: String(index + 1), input: row, ...(group !== undefined && { group }) };
  });
  const together = [...Map.groupBy(items, ({ group }) => group).values()].flat();
  const fingerprint = fingerprintOf({ rows, input: fields.input });
  return submit(deps, kind, caller, {
    ...fields,
    idempotencyKey,
    fingerprint,
    stage: itemStage,
    items: together,
  });
}

/** Throws `too_large` for a list or archive of more bytes than one may have; `name` is what it is called to the user. */
export function requireSourceSize(
  name: string,
  format: SourceFormat,
  bytes: number,
  limits: Config['limits'],
): void {
  const { most, variable } = boundOf(format, limits);
  if (bytes > most)
    throw new ProblemError('too_large', `${name} has ${bytes} bytes; at most ${most} (${variable}).`);
}

const boundOf = (format: SourceFormat, { archiveBytes, planBytes }: Config['limits']) =>
  isArchive(format)
    ? { most: archiveBytes, variable: 'LIMIT_ARCHIVE_BYTES' }
    : { most: planBytes, variable: 'LIMIT_PLAN_BYTES' };

/** What the stage that plans is made of. */
export const sourceAs = (
  format: SourceFormat,
  object: { readonly uri: string; readonly etag: string; readonly bytes: number },
): PlanSource => (isArchive(format) ? { format, ...object } : { format, ...object });

const inputKey = (deps: DispatchDeps, kind: string, id: string, format: SourceFormat): string =>
  `${kindOf(deps, kind).inputs(id)}list.${format}`;

async function* atMost(
  content: AsyncIterable<Uint8Array>,
  most: number,
  variable: string,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > most)
      throw new ProblemError('too_large', `The list has more than ${most} bytes (${variable}).`);
    yield chunk;
  }
}

async function digestOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex');
}

/** Rows of a chunk. */
const rowsInChunk = 1000;

async function* ndjson(rows: readonly object[]): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < rows.length; from += rowsInChunk) {
    const lines = rows.slice(from, from + rowsInChunk).map((row) => `${JSON.stringify(row)}\n`);
    yield Buffer.from(lines.join(''));
  }
}
