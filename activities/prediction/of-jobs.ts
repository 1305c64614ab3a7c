/** Predictions of batch jobs in the records: one row an item, beside the ledger. They are no rows of `predictions`, which somebody asked for one by one. */
import { type PredictionOutput, type ProblemRecord, predictionBatchKind } from '@darkroom/contract';
import { type Db, type KindRecords, read, write } from '@darkroom/records';
import { jobItems } from '@darkroom/records/schema.ts';
import { and, asc, eq, gt } from 'drizzle-orm';
import { jobPredictions } from './schema.ts';

/** The stage whose items are pictures. */
const [, { name: itemStage }] = predictionBatchKind.stages;

/** A job that runs another one again predicts everything anew, so there is nothing to copy. */
export const jobPredictionRecords: KindRecords = {
  tables: [jobPredictions],
  forget: async (tx, { jobId }) => {
    await tx.delete(jobPredictions).where(eq(jobPredictions.jobId, jobId));
  },
};

/** Writes what a model said of an item, in place of what one said before. */
export const recordJobPrediction = write(
  async (tx: Db, row: Omit<typeof jobPredictions.$inferSelect, 'createdAt'>): Promise<void> => {
    const { jobId: _, ordinal: __, ...set } = row;
    await tx
      .insert(jobPredictions)
      .values(row)
      .onConflictDoUpdate({ target: [jobPredictions.jobId, jobPredictions.ordinal], set });
  },
);

/** An item of a batch, ended or not, and what was said of it. */
export interface JobPrediction {
  readonly ordinal: number;
  readonly state: string;
  /** What the item is made of. */
  readonly input: object;
  readonly problem: ProblemRecord | null;
  readonly result: number | null;
  readonly label: string | null;
  readonly score: number | null;
  readonly output: PredictionOutput | null;
}

const itemsPerPage = 500;

const pageOfPredictions = read(
  async (db: Db, jobId: string, after: number): Promise<JobPrediction[]> =>
    db
      .select({
        ordinal: jobItems.ordinal,
        state: jobItems.state,
        input: jobItems.input,
        problem: jobItems.problem,
        result: jobPredictions.result,
        label: jobPredictions.label,
        score: jobPredictions.score,
        output: jobPredictions.output,
      })
      .from(jobItems)
      .leftJoin(
        jobPredictions,
        and(eq(jobPredictions.jobId, jobItems.jobId), eq(jobPredictions.ordinal, jobItems.ordinal)),
      )
      .where(and(eq(jobItems.jobId, jobId), eq(jobItems.stage, itemStage), gt(jobItems.ordinal, after)))
      .orderBy(asc(jobItems.ordinal))
      .limit(itemsPerPage),
);

/** The items of a batch in their order; holds a page of them in memory. */
export async function* predictionsOfJob(db: Db, jobId: string): AsyncGenerator<JobPrediction> {
  for (let after = 0; ; ) {
    const page = await pageOfPredictions(db, jobId, after);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < itemsPerPage) return;
    after = last.ordinal;
  }
}
