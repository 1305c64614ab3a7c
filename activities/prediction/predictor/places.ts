/** Which prediction a request is: a new one, or the one that its Idempotency-Key stands for. */
import { ProblemError } from '@darkroom/contract';
import type { Db } from '@darkroom/records';
import { PredictionIds } from '../ids.ts';
import {
  claimPredictionKey,
  type PredictionKey,
  type PredictionPlace,
  type PredictionRow,
  predictionsAt,
  rebindPredictionKey,
} from '../records.ts';
import type { FailedRows } from './failed-rows.ts';

/** With the SHA-256 of all that the request says: the same again is the same prediction. */
export interface Idempotency {
  readonly key: string;
  readonly fingerprint: string;
}

/** Nobody works on one any more that was accepted so long ago and has no row: it was lost, or its time is over. */
const goneMs = 3_600_000;

export class PredictionPlaces {
  readonly #db: Db;
  readonly #ids: PredictionIds;
  readonly #failed: Pick<FailedRows, 'has' | 'written'>;

  constructor(db: Db, failed: Pick<FailedRows, 'has' | 'written'>) {
    this.#db = db;
    this.#ids = new PredictionIds(db);
    this.#failed = failed;
  }

  /**
   * The place of the prediction that is to be made, or the row of the one that was. `acceptedMs`: milliseconds since 1970. Throws
   * `idempotency_key_reused`, `idempotency_key_deleted`, `records_unavailable`.
   */
  async of(
    { owner, idempotency }: { readonly owner: string; readonly idempotency?: Idempotency | undefined },
    acceptedMs: number,
  ): Promise<{ readonly place: PredictionPlace } | { readonly row: PredictionRow }> {
    const own = { id: await this.#ids.next(), acceptedAt: new Date(acceptedMs).toISOString() };
    if (idempotency === undefined) return { place: own };
    const wanted = { ...own, owner, ...idempotency };
    const keyed = requireSame(await claimPredictionKey(this.#db, wanted), idempotency.fingerprint);
    if (keyed.id === own.id) return { place: own };
    // That it failed is on its way to its row: made again under the same id, it would be answered with that.
    if (this.#failed.has(keyed.id)) await this.#failed.written();
    // Made before, or under way elsewhere, or lost with its process: whoever makes it again writes the row that is there, or none.
    const [row] = await predictionsAt(this.#db, [keyed]);
    if (row === undefined && Date.parse(keyed.acceptedAt) > acceptedMs - goneMs) return { place: keyed };
    if (row !== undefined && row.problem?.retryable !== true) return { row };
    // What failed for what passes, or is past its retention, is not what the key stands for.
    const again = await rebindPredictionKey(this.#db, keyed, wanted);
    return { place: requireSame(again, idempotency.fingerprint) };
  }
}

/** Throws where the key stands for another request, or for a prediction that was deleted. */
function requireSame(keyed: PredictionKey, fingerprint: string): PredictionKey {
  if (keyed.fingerprint !== fingerprint)
    throw new ProblemError(
      'idempotency_key_reused',
      `The key belongs to prediction ${keyed.id}, whose request was another.`,
    );
  if (keyed.deletedAt !== undefined)
    throw new ProblemError(
      'idempotency_key_deleted',
      `Prediction ${keyed.id} was deleted at ${keyed.deletedAt.toISOString()}.`,
    );
  return keyed;
}
