/** What later jobs are estimated by: what one took that has ended well. */
import { comparableJob } from '@darkroom/estimates';
import { getJob, sizeTogether, workedSeconds } from '@darkroom/records';
import type { Attempt } from '../attempt/attempt.ts';

/**
 * Notes how long the job worked, where it did all of its work in its first run: a resumed one had done a part before. Nothing fails of it:
 * the job has ended.
 */
export async function learnFrom({ deps, call, kind, log }: Attempt): Promise<void> {
  const { records, estimates } = deps;
  if (kind.estimate === undefined || call.run !== 1) return;
  try {
    const [found, seconds] = await Promise.all([
      getJob(records.db, call.jobId),
      workedSeconds(records.db, call),
    ]);
    const like =
      found &&
      comparableJob(kind, {
        input: found.job.input,
        size: sizeTogether(found.stages.map(({ size }) => size)),
      });
    if (like === undefined || seconds === undefined) return;
    estimates.record({ ...like, seconds, estimated: found?.job.estimate?.seconds });
  } catch (error) {
    log.line('warn', `Not noted for estimates: ${String(error)}`);
  }
}
