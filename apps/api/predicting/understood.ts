/** What workers have understood of model versions. A digest is of file and card, so that what is known of one stays so. */
import { type ModelIdentity, modelKey, type OpenedModel } from '@darkroom/contract';
import { understoodVersion } from '@darkroom/models';
import type { Db } from '@darkroom/records';

/** Versions that are remembered; of more, the one that was asked for first is forgotten. */
const remembered = 100;
/** A worker of a later release may tell more of the same version. */
const freshMs = 60_000;

export class UnderstoodModels {
  readonly #db: Db;
  readonly #known = new Map<string, { readonly model: OpenedModel; readonly until: number }>();

  constructor(db: Db) {
    this.#db = db;
  }

  /** Undefined where no worker has ever opened it. Throws `records_unavailable`. */
  async of(identity: ModelIdentity): Promise<OpenedModel | undefined> {
    const key = modelKey(identity);
    const known = this.#known.get(key);
    if (known !== undefined && known.until > performance.now()) return known.model;
    const model = await understoodVersion(this.#db, identity);
    if (model === undefined) return undefined;
    this.#known.delete(key);
    this.#known.set(key, { model, until: performance.now() + freshMs });
    const [oldest] = this.#known.keys();
    if (this.#known.size > remembered && oldest !== undefined) this.#known.delete(oldest);
    return model;
  }
}
