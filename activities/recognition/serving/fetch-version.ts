/** Versions that are not a worker's own: found in the registry, brought from the store. */
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import { problemOfError } from '@darkroom/frame';
import { getVersion, modelsNow, type RegisteredVersion } from '@darkroom/models';
import type { Db } from '@darkroom/records';
import type { PlacedModel } from '../lane/lanes.ts';
import { modelCard } from '../model/card/card.ts';
import type { ModelCache } from './model-cache.ts';

export interface FetchDeps {
  readonly records: { readonly db: Db };
  readonly cache: Pick<ModelCache, 'path' | 'forget'>;
}

/**
 * The file of a version on this machine. Throws `unknown_model` for one that nobody has (any more), and what may be tried again, here or by
 * another worker: `unsupported_model` for one that another worker alone has, the outages of store, records and disk.
 */
export async function fetchVersion(deps: FetchDeps, model: ModelIdentity): Promise<PlacedModel> {
  const row = await getVersion(deps.records.db, model);
  if (row?.digest === model.digest) return placeVersion(deps, row);
  const { versions } = await modelsNow(deps.records.db);
  const elsewhere = versions.some(
    ({ digest, open }) => digest === model.digest && Object.keys(open).length > 0,
  );
  const which = `${model.name} ${model.version} (${model.digest.slice(0, 12)})`;
  throw elsewhere
    ? new ProblemError(
        'unsupported_model',
        `${which} is what another worker was configured with, and is not registered.`,
      )
    : new ProblemError('unknown_model', `${which} is not registered, and no worker has it open.`);
}

/** The same of a version whose row is known. */
export async function placeVersion({ cache }: FetchDeps, row: RegisteredVersion): Promise<PlacedModel> {
  const { name, version, digest, sha256 } = row;
  const card = modelCard.safeParse(row.card);
  if (!card.success)
    throw new ProblemError(
      'unsupported_model',
      `The card of ${name} ${version} is of a later release of this program.`,
    );
  const path = await cache.path(row).catch((cause: unknown) => {
    const { code, detail } = problemOfError(cause);
    // What lacks is no fault of whoever asks.
    const isOutage =
      code === 'storage_unavailable' || code === 'storage_access_failed' || code === 'out_of_space';
    const message = `The file of ${name} ${version} could not be fetched: ${detail}`;
    throw new ProblemError(isOutage ? code : 'unsupported_model', message, { cause });
  });
  return { path, identity: { name, version, digest }, card: card.data, refuse: () => cache.forget(sha256) };
}
