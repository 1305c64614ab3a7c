/** What an index writes. Each write carries the run it belongs to: where a later one has begun, an earlier one changes nothing. */
import { type Db, read, write } from '@darkroom/records';
import { and, eq, inArray, sql } from 'drizzle-orm';
import { type BrokenFile, surveyChecksums, surveyFiles, surveys } from '../../schema.ts';
import { mocJson } from '../../sphere/moc/forms.ts';
import type { Moc } from '../../sphere/moc/moc.ts';
import type { SurveyDefinition } from '../definition/definition.ts';
import { digestOf } from '../definition/read.ts';

/** A later index of the survey has begun, or it was removed. */
export class IndexSuperseded extends Error {
  override readonly name = 'IndexSuperseded';
  constructor(survey: string) {
    super(`Another index of ${survey} has begun, or the survey was removed: this one has stopped.`);
  }
}

/** The survey, and its run. */
export interface IndexRun {
  readonly survey: string;
  readonly run: number;
}

/** Begins a run: what earlier ones still write is refused from now on. The definition of a survey that is served stays until the run ends. */
export const beginIndex = write(async (db: Db, definition: SurveyDefinition): Promise<IndexRun> => {
  const [row] = await db
    .insert(surveys)
    .values({ name: definition.name, digest: digestOf(definition), definition })
    .onConflictDoUpdate({
      target: surveys.name,
      set: { run: sql`${surveys.run} + 1`, begunAt: sql`now()` },
    })
    .returning({ run: surveys.run });
  if (row === undefined) throw new Error('An upsert returns its row.');
  return { survey: definition.name, run: row.run };
});

/** Throws {@link IndexSuperseded} unless the run is the latest, which it stays until the transaction ends. */
async function hold(tx: Db, { survey, run }: IndexRun): Promise<void> {
  const held = await tx
    .select({ run: surveys.run })
    .from(surveys)
    .where(and(eq(surveys.name, survey), eq(surveys.run, run)))
    .for('share');
  if (held.length === 0) throw new IndexSuperseded(survey);
}

/** A file as the index knows it. */
export interface KnownFile {
  readonly id: number;
  readonly tile: string;
  readonly band: string;
  readonly plane: string;
  readonly uri: string;
  readonly etag: string;
  readonly asked: string;
}

const rowsAtOnce = 20_000;

/** All files of a survey, page by page. */
export async function* knownFiles(db: Db, survey: string): AsyncGenerator<KnownFile, undefined> {
  const page = read(
    async (tx: Db, after: number): Promise<KnownFile[]> =>
      tx
        .select({
          id: surveyFiles.id,
          tile: surveyFiles.tile,
          band: surveyFiles.band,
          plane: surveyFiles.plane,
          uri: surveyFiles.uri,
          etag: surveyFiles.etag,
          asked: surveyFiles.asked,
        })
        .from(surveyFiles)
        .where(sql`${surveyFiles.survey} = ${survey} and ${surveyFiles.id} > ${after}`)
        .orderBy(surveyFiles.id)
        .limit(rowsAtOnce),
  );
  for (let after = 0; ; ) {
    const rows = await page(db, after);
    yield* rows;
    if (rows.length < rowsAtOnce) return;
    after = rows.at(-1)!.id;
  }
}

/** ETags by URI of what has checksums. */
export const checkedFiles = read(
  async (db: Db, survey: string): Promise<Map<string, string>> =>
    new Map(
      (
        await db
          .select({ uri: surveyChecksums.uri, etag: surveyChecksums.etag })
          .from(surveyChecksums)
          .where(eq(surveyChecksums.survey, survey))
      ).map(({ uri, etag }) => [uri, etag]),
    ),
);

export interface NewFile extends Omit<typeof surveyFiles.$inferInsert, 'survey' | 'id'> {
  /** Cells that it is found by; none for weights and masks, which are found with their image. */
  readonly cells: readonly number[];
}

export interface NewChecksums {
  readonly uri: string;
  readonly etag: string;
  readonly block: number;
  readonly sums: Buffer;
  readonly datasum: boolean;
}

/** Writes files that are new or have changed, with what they were verified by. Throws {@link IndexSuperseded}. */
export const putFiles = write(
  async (
    db: Db,
    run: IndexRun,
    { files, checksums }: { readonly files: readonly NewFile[]; readonly checksums: readonly NewChecksums[] },
  ): Promise<void> =>
    db.transaction(async (tx) => {
      await hold(tx, run);
      const { survey } = run;
      if (files.length > 0) {
        const ids = await tx
          .insert(surveyFiles)
          .values(files.map(({ cells: _, ...file }) => ({ ...file, survey })))
          .onConflictDoUpdate({
            target: [surveyFiles.survey, surveyFiles.tile, surveyFiles.band, surveyFiles.plane],
            set: Object.fromEntries(
              ['uri', 'etag', 'bytes', 'hdu', 'asked', 'width', 'height', 'pixelScale', 'footprint'].map(
                (name) => [name, sql.raw(`excluded."${name === 'pixelScale' ? 'pixel_scale' : name}"`)],
              ),
            ),
          })
          .returning({ id: surveyFiles.id });
        await tx.execute(
          sql`delete from survey_cells where file = any(${sql.param(ids.map(({ id }) => id))}::bigint[])`,
        );
        const cells = files.flatMap((file) => file.cells);
        const owners = files.flatMap((file, i) => file.cells.map(() => ids[i]!.id));
        await tx.execute(sql`
          insert into survey_cells (survey, cell, file)
          select ${survey}, * from unnest(${sql.param(cells)}::int[], ${sql.param(owners)}::bigint[])`);
      }
      for (const sums of checksums)
        await tx
          .insert(surveyChecksums)
          .values({ survey, ...sums })
          .onConflictDoUpdate({
            target: [surveyChecksums.survey, surveyChecksums.uri],
            set: { ...sums, verifiedAt: sql`now()` },
          });
    }),
);

export interface Misfit {
  readonly id: number;
  readonly broken: BrokenFile;
}

/** Of a pixel, that the corners of a plane may lie beside those of its image: by more, a pixel is not the same place in both. */
const besideAtMost = 0.5;

/** Weights and masks that are not as large as their image, or not on its grid: what is cut of both would be different places. */
export const misfits = read(async (db: Db, survey: string): Promise<Misfit[]> => {
  // The corners of an edge of several pieces are a quarter of the outline apart; arrays begin at 1.
  const corner = (of: 'p' | 'i', k: number, axis: 0 | 1) =>
    sql.raw(`${of}.footprint[${k} * (cardinality(${of}.footprint) / 8) * 2 + ${axis + 1}]`);
  const apart = [0, 1, 2, 3].map((k) => {
    const east = sql`(${corner('p', k, 0)} - ${corner('i', k, 0)})`;
    const north = sql`(${corner('p', k, 1)} - ${corner('i', k, 1)})`;
    return sql`sqrt((cosd(${corner('i', k, 1)}) * (${east} - 360 * round(${east} / 360))) ^ 2 + ${north} ^ 2)`;
  });
  const { rows } = await db.execute<{
    id: string;
    tile: string;
    plane: string;
    uri: string;
    image: string;
    sizes: number[];
    beside: number;
  }>(sql`
    select * from (
      select p.id, p.tile, p.plane, p.uri, i.uri as image, array[p.width, p.height, i.width, i.height] as sizes,
        greatest(${sql.join(apart, sql`, `)}) / i.pixel_scale as beside
      from survey_files p join survey_files i on i.survey = p.survey and i.tile = p.tile and i.plane = 'image' and p.band in (i.band, '')
      where p.survey = ${survey} and p.plane <> 'image') pairs
    where sizes[1:2] <> sizes[3:4] or beside > ${besideAtMost}
    order by id`);
  return rows.map(({ id, tile, plane, uri, image, sizes: [w, h, width, height], beside }) => {
    const isOther = w !== width || h !== height;
    const how = isOther
      ? `has ${w} × ${h} pixels, ${image} ${width} × ${height}`
      : `lies ${beside.toPrecision(3)} pixels beside ${image}`;
    const detail = `${uri}: the ${plane} of ${tile} ${how}. A plane has the size and the grid of its image.`;
    return { id: Number(id), broken: { uri, code: 'incompatible_tiles', detail } };
  });
});

const idsAtOnce = 500;

/** Removes files by their ids, and checksums of what no file of the survey is any more. Throws {@link IndexSuperseded}. */
export async function dropFiles(db: Db, run: IndexRun, ids: readonly number[]): Promise<void> {
  const drop = write(
    async (tx: Db, some: readonly number[]): Promise<void> =>
      tx.transaction(async (inner) => {
        await hold(inner, run);
        await inner.delete(surveyFiles).where(inArray(surveyFiles.id, [...some]));
      }),
  );
  for (let at = 0; at < ids.length; at += idsAtOnce) await drop(db, ids.slice(at, at + idsAtOnce));
  await write(
    async (tx: Db): Promise<void> =>
      tx.transaction(async (inner) => {
        await hold(inner, run);
        await inner.execute(sql`
          delete from survey_checksums s where survey = ${run.survey}
            and not exists (select 1 from survey_files f where f.survey = s.survey and f.uri = s.uri)`);
      }),
  )(db);
}

/** Broken files that are kept with the survey. */
const brokenKept = 100;

/** Ends a run: from now on the survey is what the definition says. Throws {@link IndexSuperseded}. */
export const endIndex = write(
  async (
    db: Db,
    run: IndexRun,
    of: {
      readonly definition: SurveyDefinition;
      readonly area: number;
      /** Absent: as it was. */
      readonly moc?: Moc | undefined;
      readonly broken: readonly BrokenFile[];
    },
  ): Promise<{ tiles: number; files: number; verified: boolean }> =>
    db.transaction(async (tx) => {
      await hold(tx, run);
      const [counts] = await tx
        .select({
          tiles: sql<number>`count(distinct ${surveyFiles.tile})::int`,
          files: sql<number>`count(*)::int`,
          verified: sql<boolean>`count(*) > 0 and count(*) = count(*) filter (where exists (select 1 from survey_checksums s
            where s.survey = survey_files.survey and s.uri = survey_files.uri and s.etag = survey_files.etag))`,
        })
        .from(surveyFiles)
        .where(eq(surveyFiles.survey, run.survey));
      if (counts === undefined) throw new Error('A count returns its row.');
      await tx
        .update(surveys)
        .set({
          ...counts,
          definition: of.definition,
          digest: digestOf(of.definition),
          area: of.area,
          ...(of.moc && { mocOrder: of.moc.order, moc: mocJson(of.moc) as Record<string, number[]> }),
          state: 'ready',
          brokenCount: of.broken.length,
          broken: of.broken.slice(0, brokenKept),
          indexedAt: sql`now()`,
        })
        .where(eq(surveys.name, run.survey));
      return counts;
    }),
);
