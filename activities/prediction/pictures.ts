/**
 * Pictures that are kept with their predictions, where that was asked for. A row says of each that it is there: it is written before the
 * object is, and goes after it, so that none is left behind whatever dies meanwhile.
 */
import { type Db, read, write } from '@darkroom/records';
import { and, inArray, isNotNull, isNull, lt, sql } from 'drizzle-orm';
import type { PredictionPlace } from './records.ts';
import { predictionPictures } from './schema.ts';

export type PictureRow = typeof predictionPictures.$inferSelect;

/** Where the picture of a prediction lies, in the platform's bucket. */
export const pictureKey = (predictionId: number): string => `prediction-pictures/${predictionId}`;

/** Says that a picture is about to be put. One of the same prediction that is there, or is to go, stays as it is. */
export const announcePicture = write(
  async (db: Db, { id, acceptedAt }: PredictionPlace, contentType: string): Promise<void> => {
    await db
      .insert(predictionPictures)
      .values({ predictionId: id, acceptedAt: new Date(acceptedAt), contentType })
      .onConflictDoNothing();
  },
);

/** Of those predictions, the pictures that are kept. */
export const picturesOf = read(async (db: Db, ids: readonly number[]): Promise<PictureRow[]> => {
  if (ids.length === 0) return [];
  return await db
    .select()
    .from(predictionPictures)
    .where(and(inArray(predictionPictures.predictionId, [...ids]), isNull(predictionPictures.doomedAt)));
});

/** Rows that one statement looks at. */
const rowsAtOnce = 5000;

/** Has those go, some thousand a call, whose predictions were accepted before that moment. Returns whether there may be more. */
export const doomPicturesBefore = write(async (db: Db, before: Date): Promise<boolean> => {
  const { rowCount } = await db.execute(sql`
    update ${predictionPictures} set doomed_at = now() where prediction_id in (
      select prediction_id from ${predictionPictures}
      where doomed_at is null and accepted_at < ${before.toISOString()} limit ${rowsAtOnce})`);
  return (rowCount ?? 0) >= rowsAtOnce;
});

/**
 * Has those go, some thousand a call, of whose predictions nothing came: of what was accepted before that moment, when there was no row yet to see,
 * each is looked at once. What failed for what passes (`retryable`) is nothing: the store may not even have taken its picture. Returns whether there
 * may be more.
 */
export const doomUnmade = write(async (db: Db, before: Date): Promise<boolean> => {
  const { rowCount } = await db.execute(sql`
    with old as (
      select prediction_id, accepted_at from ${predictionPictures}
      where not made and doomed_at is null and accepted_at < ${before.toISOString()}
      limit ${rowsAtOnce} for update skip locked
    ), seen as (
      select old.prediction_id,
        predictions.id is not null and not coalesce((predictions.problem->>'retryable')::boolean, false) as made
      from old
      left join predictions on predictions.id = old.prediction_id and predictions.accepted_at = old.accepted_at
        and predictions.owner <> ''
    )
    update ${predictionPictures} as picture
    set made = seen.made, doomed_at = case when seen.made then null else now() end
    from seen where picture.prediction_id = seen.prediction_id`);
  return (rowCount ?? 0) >= rowsAtOnce;
});

/** Predictions whose pictures are to go since before that moment, some thousand, and whether there may be more: whoever might still have been putting one has ended by then. */
export const doomedPictures = read(
  async (db: Db, before: Date): Promise<{ ids: number[]; more: boolean }> => {
    const rows = await db
      .select({ id: predictionPictures.predictionId })
      .from(predictionPictures)
      .where(lt(predictionPictures.doomedAt, before))
      .orderBy(predictionPictures.doomedAt)
      .limit(rowsAtOnce);
    return { ids: rows.map(({ id }) => id), more: rows.length >= rowsAtOnce };
  },
);

/** Forgets those of them that are to go: their objects have gone. */
export const forgetPictures = write(async (db: Db, ids: readonly number[]): Promise<void> => {
  await db
    .delete(predictionPictures)
    .where(and(inArray(predictionPictures.predictionId, [...ids]), isNotNull(predictionPictures.doomedAt)));
});
