/** What was taken in and waits to be handed over, and how its batch and its row tell of it. */
import type { PredictionRecord, ProblemRecord } from '@darkroom/contract';
import type { currentSpan } from '@darkroom/platform';
import type { BatchItem } from '../batch.ts';
import type { PredictionPlace, PredictionRow } from '../records.ts';
import type { PredictionRequest } from './predictor.ts';

export interface Work {
  readonly request: Omit<PredictionRequest, 'picture'>;
  /** Absent once it was handed over: nobody here needs it any more. */
  picture: Uint8Array | undefined;
  readonly bytes: number;
  readonly place: PredictionPlace;
  readonly acceptedMs: number;
  /** Of its request. */
  readonly span: ReturnType<typeof currentSpan>;
  /** Whether its time was over when a worker had it: nothing was done for it. */
  late: boolean;
  readonly answer: (row: PredictionRow) => void;
  readonly refuse: (error: unknown) => void;
}

/** `sentAt`: when its batch is handed over, milliseconds since 1970. */
export function itemOf({ request, bytes, place, acceptedMs }: Work, sentAt: number): BatchItem {
  const { owner, filename, topK, deadlineMs, traceId, alias, canary, inference, outputs } = request;
  return {
    ...place,
    owner,
    filename,
    bytes,
    topK,
    gatherMs: sentAt - acceptedMs,
    leftMs: acceptedMs + deadlineMs - sentAt,
    traceId,
    alias,
    canary,
    ...(inference && { inference }),
    ...(outputs && { outputs: [...outputs] }),
  };
}

export type FailedWork = Pick<Work, 'request' | 'place' | 'bytes'>;

export const failedRecordOf = (
  { request, place, bytes }: FailedWork,
  problem: ProblemRecord,
): PredictionRecord => ({
  ...place,
  owner: request.owner,
  state: 'failed',
  result: null,
  label: null,
  score: null,
  output: null,
  problem,
  model: request.model,
  alias: request.alias,
  canary: request.canary,
  filename: request.filename,
  bytes,
  timings: {},
  traceId: request.traceId,
});
