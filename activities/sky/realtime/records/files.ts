/** Files of cutouts in the records: claimed by whoever asks first, written by the worker, found by all others. */
import { type CutoutFacts, type CutoutTimings, cutoutsChannel, type ProblemRecord } from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, asc, eq, inArray, lt, sql } from 'drizzle-orm';
import { cutoutFiles } from './schema.ts';

export type CutoutFile = typeof cutoutFiles.$inferSelect;

/** Where the file of a unit lies in the platform's bucket. */
export const cutoutPrefix = 'cutout-files/';
export const cutoutKey = (unit: string): string => `${cutoutPrefix}${unit}`;

/** Longer than the longest deadline lets a cutout stand in the queue and be tried: what is not made by then nobody makes any more. */
const madeBy = sql`now() + interval '2 hours'`;

/**
 * The file of a digest as it stands, or as it is to be made now: `claimed` where it is this call's `unit` that makes it. A file that failed, or is past
 * its time, is made anew; of two who ask at once, Postgres lets one have the row.
 */
export const claimFile = write(
  async (
    db: Db,
    { digest, unit }: Pick<CutoutFile, 'digest' | 'unit'>,
  ): Promise<{ readonly file: CutoutFile; readonly claimed: boolean }> => {
    for (;;) {
      const [claimed] = await db
        .insert(cutoutFiles)
        .values({
          digest,
          unit,
          state: 'making',
          expiresAt: madeBy,
        })
        .onConflictDoUpdate({
          target: cutoutFiles.digest,
          set: {
            unit,
            state: 'making',
            bytes: null,
            facts: null,
            problem: null,
            timings: {},
            begunAt: sql`now()`,
            expiresAt: sql`excluded.expires_at`,
          },
          setWhere: sql`${cutoutFiles.state} = 'failed' or (${cutoutFiles.state} = 'succeeded' and ${cutoutFiles.expiresAt} < now())`,
        })
        .returning();
      if (claimed !== undefined) return { file: claimed, claimed: true };
      const [file] = await db.select().from(cutoutFiles).where(eq(cutoutFiles.digest, digest));
      // One that was removed between the two is claimed by the next turn; one that is being removed waits for that.
      if (file !== undefined && file.state !== 'doomed') return { file, claimed: false };
      if (file !== undefined) await forgetFiles(db, [file]);
    }
  },
);

/** Takes over what nobody makes any more: the row of `was` becomes `unit`'s. False where somebody else was faster. */
export const takeOverFile = write(
  async (db: Db, { digest, unit: was }: CutoutFile, unit: string): Promise<boolean> => {
    const taken = await db
      .update(cutoutFiles)
      .set({ unit, state: 'making', begunAt: sql`now()`, expiresAt: madeBy })
      .where(and(eq(cutoutFiles.digest, digest), eq(cutoutFiles.unit, was), eq(cutoutFiles.state, 'making')))
      .returning({ digest: cutoutFiles.digest });
    return taken.length > 0;
  },
);

export const fileOf = read(async (db: Db, digest: string): Promise<CutoutFile | undefined> => {
  const [file] = await db.select().from(cutoutFiles).where(eq(cutoutFiles.digest, digest));
  return file;
});

/** What an attempt has come to. */
export type Made =
  | {
      readonly bytes: number;
      readonly facts: CutoutFacts;
      readonly timings: CutoutTimings;
      /** How long it is given to others that ask for the same, from now on. */
      readonly keptSeconds: number;
    }
  | { readonly problem: ProblemRecord; readonly timings: CutoutTimings };

/** Whether the unit is still the one that makes the file: asked before its object is put. */
export const makesFile = read(async (db: Db, digest: string, unit: string): Promise<boolean> => {
  const rows = await db
    .select({ unit: cutoutFiles.unit })
    .from(cutoutFiles)
    .where(and(eq(cutoutFiles.digest, digest), eq(cutoutFiles.unit, unit), eq(cutoutFiles.state, 'making')));
  return rows.length > 0;
});

/** Writes what became of it, and tells the channel. Fenced by the unit: one that was taken over changes nothing. */
export const finishFile = write(
  async (db: Db, { digest, unit }: Pick<CutoutFile, 'digest' | 'unit'>, made: Made): Promise<void> => {
    const set =
      'problem' in made
        ? { state: 'failed' as const, problem: made.problem, timings: made.timings }
        : {
            state: 'succeeded' as const,
            // It may have failed before, where its start seemed to.
            problem: null,
            bytes: made.bytes,
            facts: made.facts,
            timings: made.timings,
            expiresAt: sql`now() + make_interval(secs => ${made.keptSeconds})`,
          };
    await db.transaction(async (tx) => {
      const done = await tx
        .update(cutoutFiles)
        .set(set)
        .where(
          and(
            eq(cutoutFiles.digest, digest),
            eq(cutoutFiles.unit, unit),
            inArray(cutoutFiles.state, ['making', 'failed']),
          ),
        )
        .returning({ digest: cutoutFiles.digest });
      // Sent with the commit.
      if (done.length > 0) await tx.execute(sql`select pg_notify(${cutoutsChannel}, ${unit})`);
    });
  },
);

/** The object of a file is gone from the store: whoever asks next has it made anew. */
export const loseFile = write(async (db: Db, { digest, unit }: CutoutFile): Promise<void> => {
  await db
    .update(cutoutFiles)
    .set({ state: 'failed' })
    .where(
      and(eq(cutoutFiles.digest, digest), eq(cutoutFiles.unit, unit), eq(cutoutFiles.state, 'succeeded')),
    );
});

const atOnce = 200;

/**
 * Dooms files past their time by `graceSeconds`, and gives those that are doomed: the row moves before the object goes. By the clock of
 * Postgres, as they were given.
 */
export const doomFiles = write(async (db: Db, graceSeconds: number): Promise<readonly CutoutFile[]> => {
  const due = db
    .select({ digest: cutoutFiles.digest })
    .from(cutoutFiles)
    .where(lt(cutoutFiles.expiresAt, sql`now() - make_interval(secs => ${graceSeconds})`))
    .orderBy(asc(cutoutFiles.expiresAt))
    .limit(atOnce)
    .for('update', { skipLocked: true });
  return db.update(cutoutFiles).set({ state: 'doomed' }).where(inArray(cutoutFiles.digest, due)).returning();
});

/** Removes the rows of doomed files, each as it was doomed. */
export const forgetFiles = write(async (db: Db, files: readonly CutoutFile[]): Promise<void> => {
  for (const { digest, unit } of files)
    await db
      .delete(cutoutFiles)
      .where(
        and(eq(cutoutFiles.digest, digest), eq(cutoutFiles.unit, unit), eq(cutoutFiles.state, 'doomed')),
      );
});

/** Which of these units have a row: no other's object is anybody's, nor ever will be. */
export const unitsWithRow = read(async (db: Db, units: readonly string[]): Promise<ReadonlySet<string>> => {
  const rows = await db
    .select({ unit: cutoutFiles.unit })
    .from(cutoutFiles)
    .where(inArray(cutoutFiles.unit, [...units]));
  return new Set(rows.map(({ unit }) => unit));
});
