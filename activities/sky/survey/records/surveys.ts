/** Surveys as they were last indexed. */
import { type Db, read, write } from '@darkroom/records';
import { and, asc, eq, getTableColumns, sql } from 'drizzle-orm';
import { surveyFiles, surveys } from '../../schema.ts';
import { mocFrom } from '../../sphere/moc/forms.ts';
import type { Moc } from '../../sphere/moc/moc.ts';

export type SurveyRow = typeof surveys.$inferSelect;
/** Without the files that were broken, and its coverage map. */
export type Survey = Omit<SurveyRow, 'broken' | 'moc'>;

const { broken: _, moc: __, ...withoutBroken } = getTableColumns(surveys);

/** Undefined where none of that name was indexed. */
export const getSurvey = read(
  async (db: Db, name: string): Promise<Survey | undefined> =>
    (await db.select(withoutBroken).from(surveys).where(eq(surveys.name, name)))[0],
);

/** By name. */
export const listSurveys = read(
  async (db: Db): Promise<Survey[]> => db.select(withoutBroken).from(surveys).orderBy(asc(surveys.name)),
);

/** With the files that were broken. */
export const surveyInFull = read(
  async (db: Db, name: string): Promise<SurveyRow | undefined> =>
    (await db.select().from(surveys).where(eq(surveys.name, name)))[0],
);

/** What a survey covers; undefined where there is no such survey, or it was indexed before there were maps. */
export const mocOfSurvey = read(async (db: Db, name: string): Promise<Moc | undefined> => {
  const [row] = await db
    .select({ order: surveys.mocOrder, cells: surveys.moc })
    .from(surveys)
    .where(eq(surveys.name, name));
  const { order = null, cells = null } = row ?? {};
  return order === null || cells === null ? undefined : mocFrom(order, cells);
});

/** Degrees a pixel of one of its images, which are much alike; undefined where it has none. */
export const pixelScaleOf = read(async (db: Db, survey: string): Promise<number | undefined> => {
  const [file] = await db
    .select({ scale: surveyFiles.pixelScale })
    .from(surveyFiles)
    .where(and(eq(surveyFiles.survey, survey), eq(surveyFiles.plane, 'image')))
    .limit(1);
  return file?.scale;
});

const filesAtOnce = 500;

/** Takes a survey off the platform, its files in their store stay. Returns whether there was one. */
export async function removeSurvey(db: Db, name: string): Promise<boolean> {
  // First, so that an index that runs beside it writes nothing more.
  const [gone] = await write(async (tx: Db) =>
    tx
      .update(surveys)
      .set({ run: sql`${surveys.run} + 1` })
      .where(eq(surveys.name, name))
      .returning({ run: surveys.run }),
  )(db);
  if (gone === undefined) return false;
  // Bounded statements: a large survey has millions of cells.
  for (let removed = filesAtOnce; removed === filesAtOnce; )
    removed = await write(async (tx: Db) => {
      const { rowCount } = await tx.execute(sql`
        delete from survey_files where id in (select id from survey_files where survey = ${name} limit ${filesAtOnce})
          and exists (select 1 from surveys where name = ${name} and run = ${gone.run} for share)`);
      return rowCount ?? 0;
    })(db);
  const removed = await write(async (tx: Db) =>
    tx
      .delete(surveys)
      .where(sql`${surveys.name} = ${name} and ${surveys.run} = ${gone.run}`)
      .returning({ name: surveys.name }),
  )(db);
  return removed.length > 0;
}
