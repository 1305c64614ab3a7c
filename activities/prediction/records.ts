/** Predictions in the records: written by the batch, read by their owner. */
import {
  type Prediction,
  type PredictionDetail,
  type PredictionRecord,
  predictionsChannel,
} from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, desc, eq, getTableColumns, gte, inArray, isNull, lt, lte, type SQL, sql } from 'drizzle-orm';
import { besideWritten } from './outputs.ts';
import { predictionKeys, predictionOutputs, predictionPictures, predictions } from './schema.ts';

export type PredictionRow = typeof predictions.$inferSelect;

/** Those that are written, by name: a column of a later version has its default. */
const columns = sql.join(
  Object.values(getTableColumns(predictions)).map(({ name }) => sql.identifier(name)),
  sql`, `,
);

/**
 * Writes the rows of a micro-batch, in one statement, and tells the channel of the batch when they are to be seen. A row that is there
 * already stays as it is: of two attempts at a batch the first to write decides, whatever the other one came to.
 */
export const recordPredictions = write(
  async (db: Db, batch: string, records: readonly PredictionRecord[]): Promise<void> => {
    const rows = records.map(({ model, acceptedAt, traceId, outputs: _, ...record }) => ({
      ...record,
      accepted_at: acceptedAt,
      model_name: model.name,
      model_version: model.version,
      model_digest: model.digest,
      trace_id: traceId,
      finished_at: new Date().toISOString(),
    }));
    // One parameter however many rows: a statement that Postgres plans once. The notification is sent with the commit.
    await db.execute(sql`
      with written as (
        insert into ${predictions} (${columns})
        select ${columns} from json_populate_recordset(null::predictions, ${JSON.stringify(rows)}::json)
        on conflict do nothing
        returning id
      )${besideWritten(records)}
      select pg_notify(${predictionsChannel}, ${batch})`);
  },
);

/** Ids with the time they were accepted, ISO 8601: what finds a row without looking into every month. */
export interface PredictionPlace {
  readonly id: number;
  readonly acceptedAt: string;
}

/** The rows of those that are there. */
export const predictionsAt = read(
  async (db: Db, places: readonly PredictionPlace[]): Promise<PredictionRow[]> => {
    if (places.length === 0) return [];
    const times = places.map(({ acceptedAt }) => acceptedAt).sort();
    return await db
      .select()
      .from(predictions)
      .where(
        and(
          inArray(
            predictions.id,
            places.map(({ id }) => id),
          ),
          gte(predictions.acceptedAt, new Date(times[0] ?? 0)),
          lte(predictions.acceptedAt, new Date(times.at(-1) ?? 0)),
        ),
      );
  },
);

/** A prediction, whoever's it is. */
export const getPrediction = read(async (db: Db, id: number): Promise<PredictionRow | undefined> => {
  const [row] = await db.select().from(predictions).where(eq(predictions.id, id));
  return row;
});

export interface PredictionFilter {
  /** Absent: of all owners, for operators. */
  readonly owner?: string | undefined;
  readonly state?: PredictionRow['state'] | undefined;
  /** Id of the last prediction of the page before. */
  readonly before?: number | undefined;
  readonly limit: number;
}

/** The query of a page: of each month one index is read, from where the page begins, and no more rows than the page has. */
export const listQuery = (db: Db, filter: PredictionFilter) =>
  db.select().from(predictions).where(within(filter)).orderBy(desc(predictions.id)).limit(filter.limit);

const within = ({ owner, state, before }: PredictionFilter): SQL | undefined =>
  and(
    owner === undefined ? undefined : eq(predictions.owner, owner),
    state === undefined ? undefined : eq(predictions.state, state),
    before === undefined ? undefined : lt(predictions.id, before),
  );

/** Predictions, newest first, a page by id: its cost does not depend on how many there are. */
export const listPredictions = read(
  async (db: Db, filter: PredictionFilter): Promise<PredictionRow[]> => await listQuery(db, filter),
);

/** The same, of each its two keys alone. */
export const listResults = read(
  async (db: Db, filter: PredictionFilter): Promise<Prediction[]> =>
    await db
      .select({ id: predictions.id, result: predictions.result })
      .from(predictions)
      .where(within(filter))
      .orderBy(desc(predictions.id))
      .limit(filter.limit),
);

/** Removes a prediction, and has its picture go; one that is gone is fine. Its Idempotency-Key stands for it still: a repetition is told that it was deleted. */
export const deletePrediction = write(async (db: Db, { id, acceptedAt }: PredictionRow): Promise<void> => {
  await db.transaction(async (tx) => {
    await tx.update(predictionKeys).set({ deletedAt: sql`now()` }).where(eq(predictionKeys.predictionId, id));
    await tx
      .update(predictionPictures)
      .set({ doomedAt: sql`now()` })
      .where(and(eq(predictionPictures.predictionId, id), isNull(predictionPictures.doomedAt)));
    await tx.delete(predictions).where(and(eq(predictions.id, id), eq(predictions.acceptedAt, acceptedAt)));
    await tx.delete(predictionOutputs).where(eq(predictionOutputs.predictionId, id));
  });
});

export interface PredictionKey extends PredictionPlace {
  readonly owner: string;
  readonly key: string;
  /** SHA-256 of the request. */
  readonly fingerprint: string;
  /** When its prediction was deleted. */
  readonly deletedAt?: Date;
}

/**
 * The prediction that an owner's Idempotency-Key stands for: `wanted`, where nobody has used the key before. Row lock of the unique key:
 * of two requests at once one makes the row, and the other one reads it.
 */
export const claimPredictionKey = write(async (db: Db, wanted: PredictionKey): Promise<PredictionKey> => {
  const { owner, key, fingerprint, id, acceptedAt } = wanted;
  const made = await db
    .insert(predictionKeys)
    .values({ owner, key, fingerprint, predictionId: id, acceptedAt: new Date(acceptedAt) })
    .onConflictDoNothing()
    .returning({ key: predictionKeys.key });
  if (made.length > 0) return wanted;
  const [row] = await db
    .select()
    .from(predictionKeys)
    .where(and(eq(predictionKeys.owner, owner), eq(predictionKeys.key, key)));
  // Its time was over between the two statements.
  if (row === undefined) return claimPredictionKey(db, wanted);
  return {
    owner,
    key,
    fingerprint: row.fingerprint,
    id: row.predictionId,
    acceptedAt: row.acceptedAt.toISOString(),
    ...(row.deletedAt !== null && { deletedAt: row.deletedAt }),
  };
});

/**
 * Has a key stand for a prediction that is still to be made, in place of one that failed for what passes, or is gone. Of two at once, one decides;
 * returns what the key stands for then.
 */
export const rebindPredictionKey = write(
  async (db: Db, last: PredictionKey, wanted: PredictionKey): Promise<PredictionKey> => {
    await db
      .update(predictionKeys)
      .set({ predictionId: wanted.id, acceptedAt: new Date(wanted.acceptedAt) })
      .where(
        and(
          eq(predictionKeys.owner, wanted.owner),
          eq(predictionKeys.key, wanted.key),
          eq(predictionKeys.predictionId, last.id),
        ),
      );
    return claimPredictionKey(db, wanted);
  },
);

/** The document of a row; `picture` is the address of the one that was kept with it. */
export function toPredictionDetail(row: PredictionRow, picture: string | null = null): PredictionDetail {
  const { id, result, state, label, score, output, filename, bytes, timings, problem, traceId } = row;
  return {
    id,
    result,
    state,
    label,
    score,
    ...output,
    model: { name: row.modelName, version: row.modelVersion, digest: row.modelDigest },
    alias: row.alias,
    canary: row.canary,
    filename,
    bytes,
    picture,
    timings,
    problem,
    traceId,
    acceptedAt: row.acceptedAt.toISOString(),
    finishedAt: row.finishedAt.toISOString(),
  };
}
