/** The activity of cutouts that somebody waits for: tiles out of the store by ranges, the file into it, its row. */
import { type CutoutTimings, cutoutAttempts, ProblemError } from '@darkroom/contract';
import { unitAttempt } from '@darkroom/frame';
import { type Config, failpoint } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import { partSizeFor, type Storage } from '@darkroom/storage';
import { activityInfo, cancellationSignal } from '@temporalio/activity';
import type { MadeBytes } from '../make/bytes.ts';
import type { MakeFile } from '../make/made.ts';
import { precedence } from '../make/precedence.ts';
import { realtimeCall } from './call.ts';
import { lastingProblem, passingProblem } from './problems.ts';
import { cutoutKey, finishFile, makesFile } from './records/files.ts';

export interface CutoutDeps {
  readonly records: Pick<Records, 'db'>;
  readonly storage: Pick<Storage, 'putBytes' | 'uploadStream'>;
  readonly make: MakeFile;
  readonly config: Pick<Config, 'cutouts'>;
}

/** What is handed over is made though somebody waits no longer, for whoever asks again; not what stood in the queue for so much longer. */
const patience = 6;

/** Longest silences of the store in a read, milliseconds: it is asked again while there is time for that. */
export function storeTimes({ deadlineSeconds }: Pick<Config['cutouts'], 'deadlineSeconds'>) {
  const silenceMs = Math.min(15_000, Math.max(1000, 250 * deadlineSeconds));
  return { requestTimeoutMs: silenceMs, idleTimeoutMs: silenceMs };
}

export type CutoutActivities = ReturnType<typeof cutoutActivities>;

export function cutoutActivities({ records: { db }, storage, make, config: { cutouts } }: CutoutDeps) {
  return {
    async makeCutout(given: unknown): Promise<void> {
      using _first = precedence.begin();
      const call = realtimeCall.parse(given);
      const signal = cancellationSignal();
      // An attempt before this one has come to its end, or others took it over.
      if (!(await makesFile(db, call.digest, call.unit))) return;
      const { scheduledTimestampMs } = activityInfo();
      const timings: CutoutTimings = { queue: Math.max(0, Date.now() - scheduledTimestampMs) };
      const fail = (problem: ProblemError): Promise<void> =>
        finishFile(db, call, { problem: problem.problem, timings });
      if ((timings.queue ?? 0) > patience * call.leftMs)
        return fail(
          new ProblemError('deadline_exceeded', 'It was not begun: nobody waited for it any more.'),
        );
      try {
        const made = await make(call, signal);
        using file = made.file;
        Object.assign(timings, made.timings);
        await failpoint('cutout.before-put', call.unit);
        const began = performance.now();
        if (!(await makesFile(db, call.digest, call.unit))) return;
        await put(storage, cutoutKey(call.unit), file, { contentType: made.contentType, signal });
        timings.write = (timings.write ?? 0) + performance.now() - began;
        await failpoint('cutout.before-record', call.unit);
        const { keptSeconds } = cutouts;
        await finishFile(db, call, { bytes: file.length, facts: made.facts, timings, keptSeconds });
      } catch (error) {
        signal.throwIfAborted();
        const lasting = lastingProblem(error);
        if (lasting !== undefined) return fail(lasting);
        // What passes is tried again; the last attempt leaves word of it.
        if (unitAttempt() < cutoutAttempts) throw error;
        await fail(passingProblem(error));
        throw error;
      }
    },
  };
}

/** Parts of a large file that are sent side by side. */
const partsAtOnce = 2;

/** In one request from memory, in parts from a disk. Of one that fails nothing is to be seen; an upload that a killed process left open is swept. */
async function put(
  storage: CutoutDeps['storage'],
  key: string,
  file: MadeBytes,
  options: { readonly contentType: string; readonly signal: AbortSignal },
): Promise<void> {
  const whole = file.whole();
  if (whole !== undefined) {
    await storage.putBytes(key, whole, options);
    return;
  }
  const { length } = file;
  await storage.uploadStream(key, file.read(), {
    ...options,
    maxBytes: length,
    partSize: partSizeFor(length),
    concurrency: partsAtOnce,
  });
}
