/** What the sweep does for cutouts that were asked for: files past their time, requests past theirs, and what a process left that died. */
import type { Upkeep } from '@darkroom/dispatch';
import type { Config } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import { cutoutKey, cutoutPrefix, doomFiles, forgetFiles } from '@darkroom/sky/realtime/records/files.ts';
import { removeCutoutsBefore } from '@darkroom/sky/realtime/records/requests.ts';
import type { Storage } from '@darkroom/storage';
import { objectsBefore } from './predictions.ts';

const hourMs = 3_600_000;
/** Nobody is given a file, or reads it, so long after its time. */
const graceMs = hourMs / 12;
/** No attempt at a cutout is that old. */
const spentMs = hourMs;
/** How often objects are looked through that have no row any more. */
const lookMs = hourMs / 4;

export function cutoutUpkeep({
  records: { db },
  storage,
  config: { cutouts },
}: {
  readonly records: Pick<Records, 'db'>;
  readonly storage: Pick<Storage, 'list' | 'remove' | 'openUploads' | 'abortDirectUpload'>;
  readonly config: Pick<Config, 'cutouts'>;
}): Upkeep {
  let lookAt = 0;
  // A file's name is that of the unit which made it, so that no object is another's: there is no fence to hold.
  const fence = { assertHeld: async (): Promise<void> => {} };
  return {
    name: 'cutouts',
    async run(signal) {
      const now = Date.now();
      for (;;) {
        signal.throwIfAborted();
        const doomed = await doomFiles(db, new Date(now - graceMs));
        if (doomed.length === 0) break;
        const keys = doomed.map(({ unit }) => cutoutKey(unit));
        await storage.remove(keys, { ...fence, signal });
        await forgetFiles(db, doomed);
      }
      while (await removeCutoutsBefore(db, new Date(now - 24 * hourMs * cutouts.requestDays)))
        signal.throwIfAborted();
      if (now < lookAt) return;
      const before = now - 1000 * cutouts.keptSeconds - graceMs - spentMs;
      await storage.remove(objectsBefore(storage, cutoutPrefix, before, signal), { ...fence, signal });
      // Of a process that was killed while it sent a large one: nobody goes on with these.
      const left = storage.openUploads(cutoutPrefix, { olderThan: new Date(now - spentMs), signal });
      for await (const upload of left) await storage.abortDirectUpload(upload, { signal });
      lookAt = now + lookMs;
    },
  };
}
