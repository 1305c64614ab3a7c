/** What the sweep does for cutouts that were asked for: files past their time, requests past theirs, and what a process left that died. */
import type { Upkeep } from '@darkroom/dispatch';
import type { Config } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import {
  cutoutKey,
  cutoutPrefix,
  doomFiles,
  forgetFiles,
  unitsWithRow,
} from '@darkroom/sky/realtime/records/files.ts';
import { endLeftCutouts, removeCutoutsBefore } from '@darkroom/sky/realtime/records/requests.ts';
import type { Storage } from '@darkroom/storage';
import { objectsBefore } from './predictions.ts';

const hourSeconds = 3600;
/** Nobody is given a file, or reads it, so long after its time. */
const graceSeconds = hourSeconds / 12;
/** No attempt at a cutout is that old. */
const spentSeconds = hourSeconds;
/** Longer than the longest deadline: whoever waits has been answered. */
const answeredSeconds = hourSeconds / 4;
/** How often objects are looked through that have no row any more. */
const lookSeconds = hourSeconds / 4;
/** Objects whose rows are looked for at once. */
const atOnce = 500;

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
  /** Old objects that have no row: of units that were taken over or made anew, or whose row went first. */
  async function* withoutRow(signal: AbortSignal): AsyncGenerator<string> {
    const before = Date.now() - 1000 * (graceSeconds + spentSeconds);
    let uris: string[] = [];
    const left = async (): Promise<string[]> => {
      const unitOf = (uri: string): string => uri.slice(uri.lastIndexOf('/') + 1);
      const kept = await unitsWithRow(db, uris.map(unitOf));
      const without = uris.filter((uri) => !kept.has(unitOf(uri)));
      uris = [];
      return without;
    };
    for await (const uri of objectsBefore(storage, cutoutPrefix, before, signal))
      if (uris.push(uri) === atOnce) yield* await left();
    if (uris.length > 0) yield* await left();
  }
  return {
    name: 'cutouts',
    async run(signal) {
      const now = Date.now();
      // One that fails keeps none of the others from their turn.
      const steps = [
        () => endLeftCutouts(db, answeredSeconds),
        async () => {
          const before = new Date(now - 24 * 1000 * hourSeconds * cutouts.requestDays);
          while (await removeCutoutsBefore(db, before)) signal.throwIfAborted();
        },
        async () => {
          for (;;) {
            signal.throwIfAborted();
            const doomed = await doomFiles(db, graceSeconds);
            if (doomed.length === 0) break;
            const keys = doomed.map(({ unit }) => cutoutKey(unit));
            await storage.remove(keys, { ...fence, signal });
            await forgetFiles(db, doomed);
          }
        },
        async () => {
          if (now < lookAt) return;
          await storage.remove(withoutRow(signal), { ...fence, signal });
          // Of a process that was killed while it sent a large one: nobody goes on with these.
          const olderThan = new Date(now - 1000 * spentSeconds);
          const left = storage.openUploads(cutoutPrefix, { olderThan, signal });
          for await (const upload of left) await storage.abortDirectUpload(upload, { signal });
          lookAt = now + 1000 * lookSeconds;
        },
      ];
      const failed: unknown[] = [];
      for (const step of steps) await step().catch((error: unknown) => failed.push(error));
      if (failed.length > 0) throw failed[0];
    },
  };
}
