/** What the sweep does for predictions: their months, their retention, and what a process left that died. */
import type { Upkeep } from '@darkroom/dispatch';
import type { Config } from '@darkroom/platform';
import {
  doomedPictures,
  doomPicturesBefore,
  doomUnmade,
  ensureMonths,
  forgetDeletedBefore,
  forgetKeysBefore,
  forgetOutputsBefore,
  forgetPictures,
  pictureKey,
  removePredictionsBefore,
} from '@darkroom/prediction';
import { batchesPrefix } from '@darkroom/prediction/predictor/predictor.ts';
import type { Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';

const hourMs = 3_600_000;
/** No attempt at a batch is that old. */
const spentMs = hourMs;
/** Nor one that stood still meanwhile, and goes on: what is left of predictions that were deleted is remembered for so long. */
const deletedMs = 24 * hourMs;
/** Nobody is putting a picture any more that was to go so long ago. */
const putMs = 60_000;
/** Outputs that nobody has taken by then: nobody waits for a prediction for longer than a minute. */
const untakenMs = hourMs / 12;
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
      const { keyHours, retentionDays } = predictions;
      const removeLeft = async (): Promise<void> => {
        if (now < lookAt) return;
        const left = objectsBefore(storage, batchesPrefix, now - spentMs, signal);
        await storage.remove(left, { assertHeld: async () => {}, signal });
        lookAt = now + lookMs;
      };
      const removePictures = async (): Promise<boolean> => {
        const { ids, more } = await doomedPictures(db, new Date(now - putMs));
        await storage.remove(ids.map(pictureKey), { assertHeld: async () => {}, signal });
        await forgetPictures(db, ids);
        return more;
      };
      const untilDone = async (some: () => Promise<boolean>): Promise<void> => {
        while (await some()) signal.throwIfAborted();
      };
      // One that has to wait for a table, or fails, keeps none of the others from their turn.
      const steps = [
        () => ensureMonths(db, new Date(now)),
        // No key stands for what is gone.
        () =>
          forgetKeysBefore(
            db,
            new Date(now - Math.min(keyHours, 24 * (retentionDays ?? Number.POSITIVE_INFINITY)) * hourMs),
          ),
        async () => {
          if (retentionDays === undefined) return;
          const before = new Date(now - retentionDays * 24 * hourMs);
          await untilDone(() => doomPicturesBefore(db, before));
          await removePredictionsBefore(db, before);
        },
        () => untilDone(() => forgetDeletedBefore(db, new Date(now - deletedMs))),
        () => untilDone(() => doomUnmade(db, new Date(now - spentMs))),
        () => untilDone(removePictures),
        () => untilDone(() => forgetOutputsBefore(db, new Date(now - untakenMs))),
        removeLeft,
      ];
      const failed: unknown[] = [];
      for (const step of steps) await step().catch((error: unknown) => failed.push(error));
      if (failed.length > 0) throw failed[0];
    },
  };
}

/** Objects under a prefix that were put before that moment, milliseconds since 1970. */
export async function* objectsBefore(
  storage: Pick<Storage, 'list'>,
  prefix: string,
  moment: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const { uri, lastModified } of storage.list(prefix, { signal }))
    if (lastModified.getTime() < moment) yield uri;
}
