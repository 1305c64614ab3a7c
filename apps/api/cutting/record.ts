/** Writes down what became of a request for a cutout, whatever that was. */
import type { CutoutQuery, CutoutRequest, ProblemError } from '@darkroom/contract';
import type { Estimate } from '@darkroom/estimates';
import type { CutoutFile } from '@darkroom/sky/realtime/records/files.ts';
import { recordCutout } from '@darkroom/sky/realtime/records/requests.ts';
import type { ApiContext } from '../context.ts';

/** What is known of a request when it is recorded; of one that was refused early, little. */
export interface Told {
  query?: CutoutQuery;
  request?: CutoutRequest;
  digest?: string;
  shared?: boolean;
  file?: CutoutFile;
  estimate?: Estimate;
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

/** Writes the row of the request, and counts it. Its id. */
export async function record(
  c: ApiContext,
  told: Told,
  began: number,
  problem?: ProblemError,
): Promise<number> {
  const { caller, deps, traceId } = c.var;
  const { query, request, digest, shared = false, file, estimate } = told;
  const seconds = (Date.now() - began) / 1000;
  const survey = kept(request?.survey ?? c.req.query('survey') ?? '', 64);
  // What was begun has failed; all else was refused before any work.
  const isBegun = file !== undefined || problem?.code === 'deadline_exceeded';
  const state = problem === undefined ? 'succeeded' : isBegun ? 'failed' : 'refused';
  deps.cutting.seen({
    survey: request?.survey ?? '',
    format: query?.format ?? '',
    outcome: problem?.code ?? 'succeeded',
    seconds,
  });
  return recordCutout(deps.records.db, {
    owner: caller.owner,
    state,
    survey,
    query: Object.fromEntries(
      Object.entries(queryOf(c))
        .slice(0, mostValues)
        .map(([name, values]) => [kept(name, longestValue), kept(values.join(' '), longestValue)]),
    ),
    ra: request?.ra ?? null,
    dec: request?.dec ?? null,
    digest: digest ?? null,
    shared,
    bytes: file?.bytes ?? null,
    seconds,
    estimatedSeconds: estimate?.seconds.p50 ?? null,
    coverage: file?.facts?.coverage ?? null,
    timings: file?.timings ?? {},
    problem:
      problem === undefined ? null : { ...problem.problem, detail: kept(problem.message, longestDetail) },
    traceId: traceId ?? null,
    acceptedAt: new Date(began),
  });
}
