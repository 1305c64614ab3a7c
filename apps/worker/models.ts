/** What the sweep does for models: files of versions that were removed, what a registration left that came to no end, and words of workers that are gone. */
import type { Upkeep } from '@darkroom/dispatch';
import { forgetSilentWorkers, incomingModelsPrefix, modelsPrefix, releaseFile } from '@darkroom/models';
import type { Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';

/** No registration takes that long. */
const oldMs = 6 * 3_600_000;
/** How often they are looked through. */
const lookMs = 3_600_000;

export function modelUpkeep({
  records: { db },
  storage,
  now: clock = Date.now,
}: {
  readonly records: Pick<Records, 'db'>;
  readonly storage: Pick<Storage, 'list' | 'remove'>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}): Upkeep {
  let lookAt = 0;
  const remove = (uri: string): Promise<unknown> =>
    storage.remove([uri], { assertHeld: async () => {}, signal: AbortSignal.timeout(5000) });
  return {
    name: 'models',
    async run(signal) {
      const now = clock();
      if (now < lookAt) return;
      await forgetSilentWorkers(db);
      // Of a registration under way the row is yet to come.
      const isOld = ({ lastModified }: { readonly lastModified: Date }): boolean =>
        lastModified.getTime() < now - oldMs;
      for await (const object of storage.list(incomingModelsPrefix, { signal }))
        if (isOld(object)) await remove(object.uri);
      for await (const object of storage.list(modelsPrefix, { signal })) {
        const sha256 = /\/models\/([\da-f]{64})\/model\.onnx$/.exec(object.uri)?.[1];
        if (sha256 !== undefined && isOld(object))
          await releaseFile(db, sha256, async () => void (await remove(object.uri)));
      }
      lookAt = now + lookMs;
    },
  };
}
