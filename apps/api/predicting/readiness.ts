/** Which models predict now: as workers have said within the last seconds, not as they are sent work to. */
import { believedSeconds, type ServedModel, servedModels } from '@darkroom/models';
import type { Db } from '@darkroom/records';

/** Probes need no key: of however many, Postgres is asked by one. */
const freshMs = 500;

export class Readiness {
  readonly #db: Db;
  #asked: Promise<readonly ServedModel[]> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(db: Db) {
    this.#db = db;
  }

  /** The models that a living worker has open. Throws `records_unavailable`. */
  models(): Promise<readonly ServedModel[]> {
    if (this.#asked === undefined || performance.now() - this.#askedAt > freshMs) {
      this.#askedAt = performance.now();
      this.#asked = this.#ask();
      // Whoever asks meanwhile is told, whoever asks next asks anew.
      this.#asked.catch(() => {
        this.#asked = undefined;
      });
    }
    return this.#asked;
  }

  async #ask(): Promise<readonly ServedModel[]> {
    const served = await servedModels(this.#db, 'predictions');
    return served.filter(({ silentSeconds }) => silentSeconds <= believedSeconds);
  }
}
