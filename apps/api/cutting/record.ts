/** Writes down what became of a request for a cutout, whatever that was. */
import type { CutoutQuery, CutoutRequest, ProblemError } from '@darkroom/contract';
import type { Estimate } from '@darkroom/estimates';
import type { CutoutFile } from '@darkroom/sky/realtime/records/files.ts';
import { beginCutout, nextCutoutId, recordCutout } from '@darkroom/sky/realtime/records/requests.ts';
import type { ApiContext } from '../context.ts';

/** What is known of a request when it is recorded; of one that was refused early, little. */
export interface Told {
  query?: CutoutQuery;
  request?: CutoutRequest;
  digest?: string;
  shared?: boolean;
  file?: CutoutFile;
  estimate?: Estimate;
  /** The id of its row, where that was written when it began to wait. */
  waiting?: Promise<number>;
  /** Set when its end is written. */
  isRecorded?: boolean;
}

/** Of the request, all that is not of its link. */
export function queryOf(c: ApiContext): Record<string, string[]> {
  const { signature: _, ...query } = c.req.queries();
  return query;
}

/** Of a value, and of how many: what somebody sends is not kept without an end. */
const [longestValue, mostValues, longestDetail] = [200, 40, 1000];

/** Postgres takes neither halves of surrogate pairs nor the character 0. */
const kept = (text: string, most: number): string => text.slice(0, most).toWellFormed().replaceAll('\0', '');

/**
 * Writes that the request waits, beside the work on it: where this process dies, its record has an end all the same, which the sweep gives it.
 */
export function recordWait(c: ApiContext, told: Told, began: number): void {
  const { db } = c.var.deps.records;
  told.waiting ??= (async () => {
    const id = await nextCutoutId(db);
    await beginCutout(db, id, { ...rowOf(c, told, began), state: 'running', seconds: 0 }).catch(() => {});
    return id;
  })();
  // Its failure is met with the request's end.
  told.waiting.catch(() => {});
}

/** Writes the row of the request, and counts it. Its id. */
export async function record(
  c: ApiContext,
  told: Told,
  began: number,
  problem?: ProblemError,
): Promise<number> {
  const { deps } = c.var;
  const { query, request, file } = told;
  const seconds = (Date.now() - began) / 1000;
  const hasLeft = problem !== undefined && c.req.raw.signal.aborted;
  // Not twice, where it is written and nobody says so.
  told.isRecorded = true;
  deps.cutting.seen({
    survey: request?.survey ?? '',
    format: query?.format ?? '',
    outcome: hasLeft ? 'left' : (problem?.code ?? 'succeeded'),
    seconds,
  });
  const id = await told.waiting?.catch(() => undefined);
  const row = {
    ...rowOf(c, told, began),
    state: hasLeft ? ('left' as const) : stateOf(told, problem),
    bytes: file?.bytes ?? null,
    seconds,
    coverage: file?.facts?.coverage ?? null,
    timings: file?.timings ?? {},
    problem:
      problem === undefined || hasLeft
        ? null
        : { ...problem.problem, detail: kept(problem.message, longestDetail) },
  };
  return recordCutout(deps.records.db, row, id);
}

/** What was begun has failed; all else was refused before any work. */
function stateOf(
  { file, waiting }: Told,
  problem: ProblemError | undefined,
): 'succeeded' | 'failed' | 'refused' {
  if (problem === undefined) return 'succeeded';
  return file !== undefined || waiting !== undefined || problem.code === 'deadline_exceeded'
    ? 'failed'
    : 'refused';
}

/** What is known of a request from its beginning. */
function rowOf(c: ApiContext, told: Told, began: number) {
  const { caller, traceId } = c.var;
  const { request, digest, shared = false, estimate } = told;
  return {
    owner: caller.owner,
    survey: kept(request?.survey ?? c.req.query('survey') ?? '', 64),
    query: Object.fromEntries(
      Object.entries(queryOf(c))
        .slice(0, mostValues)
        .map(([name, values]) => [kept(name, longestValue), kept(values.join(' '), longestValue)]),
    ),
    ra: request?.ra ?? null,
    dec: request?.dec ?? null,
    digest: digest ?? null,
    shared,
    estimatedSeconds: estimate?.seconds.p50 ?? null,
    timings: {},
    traceId: traceId ?? null,
    acceptedAt: new Date(began),
  };
}
