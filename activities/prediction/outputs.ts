/** What models gave that were asked for it themselves: it lies beside the row of the prediction until whoever waits for it has it. */
import type { PredictionRecord } from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { eq, inArray, lt, type SQL, sql } from 'drizzle-orm';
import { predictionOutputs } from './schema.ts';
import type { Datatype, Tensor } from './tensors/tensor.ts';

/**
 * What a statement that writes rows as `written (id)` goes on with, so that outputs are written beside those that it has written, and beside
 * no others: nothing where there are none.
 */
export function besideWritten(records: readonly PredictionRecord[]): SQL {
  const given = records.flatMap(({ id, outputs = [] }) =>
    outputs.map(
      ({ name, datatype, shape, data }, ordinal) =>
        sql`(${id}::bigint, ${ordinal}::int, ${name}::text, ${datatype}::text, ${JSON.stringify(shape)}::jsonb, ${sql.param(
          Buffer.from(data.buffer, data.byteOffset, data.byteLength),
        )}::bytea)`,
    ),
  );
  if (given.length === 0) return sql``;
  return sql`, beside as (
    insert into ${predictionOutputs} (prediction_id, ordinal, name, datatype, shape, data)
    select given.* from (values ${sql.join(given, sql`, `)}) given (id, ordinal, name, datatype, shape, data)
    join written on written.id = given.id
  )`;
}

/** The outputs of a prediction, which are gone with that: empty where they are gone already. */
export const takeOutputs = write(async (db: Db, predictionId: number): Promise<Tensor[]> => {
  const rows = await db
    .delete(predictionOutputs)
    .where(eq(predictionOutputs.predictionId, predictionId))
    .returning();
  return rows
    .sort((a, b) => a.ordinal - b.ordinal)
    .map(({ name, datatype, shape, data }) => ({ name, datatype: datatype as Datatype, shape, data }));
});

/** Bytes that the outputs of predictions have together. */
export const outputBytesOf = read(async (db: Db, predictionIds: readonly number[]): Promise<number> => {
  const [row] = await db
    .select({ bytes: sql`coalesce(sum(octet_length(${predictionOutputs.data})), 0)`.mapWith(Number) })
    .from(predictionOutputs)
    .where(inArray(predictionOutputs.predictionId, [...predictionIds]));
  return row?.bytes ?? 0;
});

/** Rows that go by one statement. */
const rowsAtOnce = 1000;

/** Removes outputs that nobody has taken and that were written before `before`, some of them a call. Returns whether there may be more. */
export const forgetOutputsBefore = write(async (db: Db, before: Date): Promise<boolean> => {
  const old = db
    .select({ id: predictionOutputs.predictionId })
    .from(predictionOutputs)
    .where(lt(predictionOutputs.createdAt, before))
    .limit(rowsAtOnce);
  const { rowCount } = await db.delete(predictionOutputs).where(inArray(predictionOutputs.predictionId, old));
  return (rowCount ?? 0) >= rowsAtOnce;
});
