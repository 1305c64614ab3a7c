/** What a worker was configured with is registered, so that other workers can open it too. */
import { randomUUID } from 'node:crypto';
import type { ModelService } from '@darkroom/contract';
import { incomingModelsPrefix, modelObject, registerOwn } from '@darkroom/models';
import type { Db } from '@darkroom/records';
import { type Storage, StorageError } from '@darkroom/storage';
import type { OwnFile } from '../lane/own-model.ts';

export interface OwnVersionDeps {
  readonly records: { readonly db: Db };
  readonly storage: Pick<Storage, 'head' | 'uploadFile' | 'copy' | 'remove'>;
  readonly worker: string;
}

/** What the file can be opened for: a detector for both. */
const servicesOf = ({ card }: OwnFile): readonly ModelService[] =>
  card.task === 'classifier' ? ['predictions'] : ['predictions', 'recognition'];

/** The file goes to the store where it is not there. Throws `model_version_exists` where its name and version are somebody else's. */
export async function registerOwnFile(deps: OwnVersionDeps, own: OwnFile): Promise<void> {
  const { identity, sha256, bytes, card } = own;
  const object = modelObject(sha256);
  const row = { ...identity, sha256, bytes, card, object, serves: servicesOf(own), by: deps.worker };
  const isStored = (): Promise<boolean> => storedAt(deps.storage, object);
  for (let tries = 1; tries <= 2; tries++) {
    const { outcome } = await registerOwn(deps.records.db, row, isStored);
    if (outcome !== 'absent') return;
    await put(deps.storage, object, own);
  }
}

async function storedAt(storage: Pick<Storage, 'head'>, object: string): Promise<boolean> {
  try {
    await storage.head(object);
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'source_not_found') return false;
    throw error;
  }
}

/** Under its content only what was seen to be that: others may have a version of it by now. */
async function put(
  storage: Pick<Storage, 'uploadFile' | 'copy' | 'remove'>,
  object: string,
  { path, sha256 }: OwnFile,
): Promise<void> {
  const incoming = `${incomingModelsPrefix}${randomUUID()}`;
  try {
    const written = await storage.uploadFile(incoming, path, { contentType: 'application/octet-stream' });
    if (written.sha256 !== sha256) throw new Error(`${path} was replaced while it was put into the store.`);
    await storage.copy(incoming, object);
  } finally {
    // Nobody else knows its name; what fails is left to the sweep.
    await storage.remove([incoming], { assertHeld: async () => {} }).catch(() => {});
  }
}
