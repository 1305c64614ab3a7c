/** What the sweep does for predictions: their months, their retention, and what a process left that died. */
import type { Upkeep } from '@darkroom/dispatch';
import type { Config } from '@darkroom/platform';
import { ensureMonths, forgetKeysBefore, removePredictionsBefore } from '@darkroom/prediction';
import { batchesPrefix } from '@darkroom/prediction/predictor/predictor.ts';
import type { Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';

const hourMs = 3_600_000;
/** No attempt at a batch is that old. */
const spentMs = hourMs;
/** How often packed objects are looked through that nobody has removed. */
const lookMs = hourMs / 4;

export function predictionUpkeep({
  records: { db },
  storage,
  config: { predictions },
}: {
  readonly records: Pick<Records, 'db'>;
  readonly storage: Pick<Storage, 'list' | 'remove'>;
  readonly config: Pick<Config, 'predictions'>;
}): Upkeep {
  let lookAt = 0;
  return {
    name: 'predictions',
    async run(signal) {
      const now = Date.now();
      await ensureMonths(db, new Date(now));
      await forgetKeysBefore(db, new Date(now - predictions.keyHours * hourMs));
      if (predictions.retentionDays !== undefined)
        await removePredictionsBefore(db, new Date(now - predictions.retentionDays * 24 * hourMs));
      if (now < lookAt) return;
      await storage.remove(leftBefore(storage, now - spentMs, signal), {
        assertHeld: async () => {},
        signal,
      });
      lookAt = now + lookMs;
    },
  };
}

/** Packed objects of batches that were begun before that moment, milliseconds since 1970. */
async function* leftBefore(
  storage: Pick<Storage, 'list'>,
  moment: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const { uri, lastModified } of storage.list(batchesPrefix, { signal }))
    if (lastModified.getTime() < moment) yield uri;
}
