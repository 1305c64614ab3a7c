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

/**
 * What is left of a prediction that was deleted: its id, for a day, with no word of what it was. Its row is what keeps an attempt at its batch that comes
 * late from writing it anew: by the primary key, which two statements at once do not pass either. No index of an owner has it.
 */
const left = {
  owner: '',
  state: 'failed',
  result: null,
  label: null,
  score: null,
  output: null,
  problem: null,
  modelName: '',
  modelVersion: '',
  modelDigest: '',
  alias: null,
  canary: false,
  filename: '',
  bytes: 0,
  timings: {},
  traceId: null,
} as const;
// In the text, not as a value, as a page's query has to have one plan.
const isThere = sql`${predictions.owner} <> ''`;

/** Those that are written, by name: a column of a later version has its default. */
const columns = sql.join(
  Object.values(getTableColumns(predictions)).map(({ name }) => sql.identifier(name)),
  sql`, `,
);

/**
 * Writes the rows of a micro-batch, in one statement, and tells the channel of the batch when they are to be seen. A row that is there
 * already stays as it is: of two attempts at a batch the first to write decides, whatever the other one came to; so does what is left of one that was
 * deleted.
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
  async (db: Db, places: readonly PredictionPlace[]): Promise<PredictionRow[]> =>
    places.length === 0
      ? []
      : await db
          .select()
          .from(predictions)
          .where(and(at(places), isThere)),
);

/** Ids of those that were made, those that were deleted since among them. */
export const madeAt = read(
  async (db: Db, places: readonly PredictionPlace[]): Promise<ReadonlySet<number>> => {
    if (places.length === 0) return new Set();
    const rows = await db.select({ id: predictions.id }).from(predictions).where(at(places));
    return new Set(rows.map(({ id }) => id));
  },
);

function at(places: readonly PredictionPlace[]): SQL | undefined {
  const times = places.map(({ acceptedAt }) => acceptedAt).sort();
  return and(
    inArray(
      predictions.id,
      places.map(({ id }) => id),
    ),
    gte(predictions.acceptedAt, new Date(times[0] ?? 0)),
    lte(predictions.acceptedAt, new Date(times.at(-1) ?? 0)),
  );
}

/** A prediction, whoever's it is. */
export const getPrediction = read(async (db: Db, id: number): Promise<PredictionRow | undefined> => {
  const [row] = await db
    .select()
    .from(predictions)
    .where(and(eq(predictions.id, id), isThere));
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

/** In the text, not as a value: a plan for all values may use the index of a state only where the statement names the state. */
const ofState = {
  succeeded: sql`${predictions.state} = 'succeeded'`,
  failed: sql`${predictions.state} = 'failed'`,
};

/**
 * The rows of a page, and a few more that are read only when they are asked for, in their order: newest first. Of each month one index is
 * read, from where the page begins.
 *
 * An owner's are asked for as a range of owner and id, and in the order of both, which no index has but one by owner. With an owner that
 * is equal, Postgres may go down all ids instead, and read others' rows in vain until it meets the owner's. Both ends are of the range, so
 * that it is thought to have no fewer rows than the owner has: those of a small one are sorted, all of them.
 *
 * Planning it over all months costs several times as much as carrying it out, so it has to come to a plan that is kept, for all values.
 * Postgres keeps one that it thinks no dearer than those for single values, and thinks a limit that it does not know to be a tenth of what
 * there is. Here there are less than four times as many as the page has, by a limit that stands in the text: one of a few powers of four.
 */
function rowsOfPage(db: Db, { owner, state, before = Number.MAX_SAFE_INTEGER, limit }: PredictionFilter) {
  const { id, owner: by } = predictions;
  const place =
    owner === undefined
      ? and(lt(id, before), isThere)
      : sql`(${by}, ${id}) <= (${owner}, ${before - 1}) and (${by}, ${id}) >= (${owner}, 0)`;
  const order = owner === undefined ? sql`${id} desc` : sql`${by} desc, ${id} desc`;
  const most = 4 ** Math.ceil(Math.log2(Math.max(limit, 1)) / 2);
  return (
    db
      .select()
      .from(predictions)
      .where(and(place, state && ofState[state]))
      // Of a limit by its own word the query builder makes a value.
      .orderBy(sql`${order} limit ${sql.raw(String(most))}`)
      .as('page')
  );
}

/** The order of a page, in terms of its rows. */
const newestFirst = ({ owner }: PredictionFilter, page: ReturnType<typeof rowsOfPage>): SQL[] =>
  owner === undefined ? [desc(page.id)] : [desc(page.owner), desc(page.id)];

/** The query of a page of whole rows. */
export function listQuery(db: Db, filter: PredictionFilter) {
  const page = rowsOfPage(db, filter);
  return db
    .select()
    .from(page)
    .orderBy(...newestFirst(filter, page))
    .limit(filter.limit);
}

/** Predictions, newest first, a page by id: its cost does not depend on how many there are. */
export const listPredictions = read(
  async (db: Db, filter: PredictionFilter): Promise<PredictionRow[]> => await listQuery(db, filter),
);

/** The same, of each its two keys alone. */
export const listResults = read(async (db: Db, filter: PredictionFilter): Promise<Prediction[]> => {
  const page = rowsOfPage(db, filter);
  return await db
    .select({ id: page.id, result: page.result })
    .from(page)
    .orderBy(...newestFirst(filter, page))
    .limit(filter.limit);
});

/** Removes a prediction, but for its bare id ({@link forgetDeletedBefore}), and has its picture go; one that is gone is fine. Its Idempotency-Key stands for it still: a repetition is told that it was deleted. */
export const deletePrediction = write(async (db: Db, { id, acceptedAt }: PredictionRow): Promise<void> => {
  await db.transaction(async (tx) => {
    await tx.update(predictionKeys).set({ deletedAt: sql`now()` }).where(eq(predictionKeys.predictionId, id));
    await tx
      .update(predictionPictures)
      .set({ doomedAt: sql`now()` })
      .where(and(eq(predictionPictures.predictionId, id), isNull(predictionPictures.doomedAt)));
    await tx
      .update(predictions)
      .set({ ...left, finishedAt: sql`now()` })
      .where(and(eq(predictions.id, id), eq(predictions.acceptedAt, acceptedAt), isThere));
    await tx.delete(predictionOutputs).where(eq(predictionOutputs.predictionId, id));
  });
});

/** Rows that go by one statement. */
const rowsAtOnce = 5000;

/** Forgets the ids of predictions that were deleted before `before`, some thousand a call. Returns whether there may be more. */
export const forgetDeletedBefore = write(async (db: Db, before: Date): Promise<boolean> => {
  // By the index of those that failed.
  const { rowCount } = await db.execute(sql`
    delete from predictions where (id, accepted_at) in (
      select id, accepted_at from predictions
      where owner = ${left.owner} and state = 'failed' and finished_at < ${before.toISOString()} limit ${rowsAtOnce})`);
  return (rowCount ?? 0) >= rowsAtOnce;
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
