/**
 * What the workers have opened: each tells it when it starts, and then that it lives. The API loads no model; what it knows of models, it
 * knows from here.
 */
import type { ModelService, OpenedModel, ProblemRecord, SandboxReport } from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, asc, desc, eq, gt, isNotNull, lt, sql } from 'drizzle-orm';
import { modelConfirmations, modelVersions, modelWorkers } from '../schema.ts';
import { ago, forgottenSeconds, silentSeconds, tellChange, told } from './told.ts';
import { keepUnderstood, understoodOf } from './understood.ts';

/** A worker says that it lives this often: `believedSeconds` are three of its words and a little more. */
const beatMs = 2500;

const alive = () => gt(modelWorkers.seenAt, ago(silentSeconds));

/** What a worker has to say of its model. */
export type ModelNews = ({ readonly opened: OpenedModel } | { readonly problem: ProblemRecord }) & {
  /** What it is for; recognition. */
  readonly serves?: ModelService;
  /** How many processes work with it at most; 1. */
  readonly lanes?: number;
};

/** Writes what a worker has opened, or why it has nothing; in place of what it said before. */
export const tellModel = write(async (db: Db, worker: string, news: ModelNews): Promise<void> => {
  const opened = 'opened' in news ? news.opened : undefined;
  const problem = 'problem' in news ? news.problem : null;
  await db.transaction(async (tx) => {
    if (opened !== undefined) await keepUnderstood(tx, [opened]);
    const row = {
      modelName: opened?.name ?? null,
      modelVersion: opened?.version ?? null,
      modelDigest: opened?.digest ?? null,
      problem,
      serves: news.serves ?? 'recognition',
      lanes: news.lanes ?? 1,
      seenAt: sql`now()`,
    };
    await tx
      .insert(modelWorkers)
      .values({ worker, ...row })
      .onConflictDoUpdate({ target: modelWorkers.worker, set: row });
    await tellChange(tx);
  });
});

/**
 * Writes what the processes of a worker are held by, and that it lives: beside what it says of its model, if it has to do with one. Said
 * with each beat, as its row may be gone.
 */
export const tellSandbox = write(async (db: Db, worker: string, sandbox: SandboxReport): Promise<void> => {
  const row = { sandbox, seenAt: sql`now()` };
  await db
    .insert(modelWorkers)
    .values({ worker, ...row })
    .onConflictDoUpdate({ target: modelWorkers.worker, set: row });
});

/** A worker lives. Whether what it told of its model is known: its row may be gone, if it could not say so for long. */
export const seenWorker = write(async (db: Db, worker: string): Promise<boolean> => {
  const seen = await db
    .update(modelWorkers)
    .set({ seenAt: sql`now()` })
    .where(eq(modelWorkers.worker, worker))
    .returning({ digest: modelWorkers.modelDigest, problem: modelWorkers.problem });
  return seen.some(({ digest, problem }) => digest !== null || problem !== null);
});

/** Removes what workers said that went away without a word, long after anybody believes it. */
export const forgetSilentWorkers = write(async (db: Db): Promise<void> => {
  await db.delete(modelWorkers).where(lt(modelWorkers.seenAt, ago(forgottenSeconds)));
  await db.delete(modelConfirmations).where(lt(modelConfirmations.seenAt, ago(forgottenSeconds)));
});

/** A worker stops, and nothing it said holds any more. */
export const forgetWorker = write(async (db: Db, worker: string): Promise<void> => {
  await db.transaction(async (tx) => {
    await tx.delete(modelWorkers).where(eq(modelWorkers.worker, worker));
    await tx.delete(modelConfirmations).where(eq(modelConfirmations.worker, worker));
    await tellChange(tx);
  });
});

/**
 * Calls `tell` with each beat from now on, one after the other; it must not throw. Returns what ends that, after which nothing that the worker
 * said holds any more.
 */
export function keepTelling(
  { db }: { readonly db: Db },
  worker: string,
  tell: () => Promise<void>,
  begun: Promise<void> = Promise.resolve(),
): () => Promise<void> {
  let beating = begun;
  const timer = setInterval(() => {
    beating = beating.then(tell);
  }, beatMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await beating;
    // Where that fails, the row is believed for a minute.
    await forgetWorker(db, worker).catch(() => {});
  };
}

export interface ServedModel extends OpenedModel {
  /** How many living workers have it open. */
  readonly workers: number;
  /** How many processes these have for it at most. */
  readonly lanes: number;
  /** For how long the one of them that spoke last has said nothing. */
  readonly silentSeconds: number;
}

/** What living workers have open to recognise, or for what else is said, by name and version. */
export const servedModels = read(
  async (db: Db, serves: ModelService = 'recognition'): Promise<ServedModel[]> => {
    const open = sql`(
      select name, version, digest, count(*)::int as workers, sum(lanes)::int as lanes,
        extract(epoch from now() - max(seen_at))::float8 as silent_seconds from (${told}) told
      where state = 'ready' and serves = ${serves} group by name, version, digest) open`;
    const rows = await db
      .select({
        model: modelVersions,
        workers: sql<number>`open.workers`,
        lanes: sql<number>`open.lanes`,
        silentSeconds: sql<number>`open.silent_seconds`,
      })
      .from(modelVersions)
      .innerJoin(
        open,
        sql`(open.name, open.version, open.digest)
          = (${modelVersions.name}, ${modelVersions.version}, ${modelVersions.digest})`,
      )
      .orderBy(asc(modelVersions.name), asc(modelVersions.version), asc(modelVersions.digest));
    return rows.map(({ model, ...told }) => ({ ...understoodOf(model), ...told }));
  },
);

/** Why living workers have no model to recognise with, or for what else is said, the last one that said so first. */
export const modelProblems = read(
  async (
    db: Db,
    worker?: string,
    serves: ModelService = 'recognition',
  ): Promise<{ worker: string; problem: ProblemRecord }[]> => {
    const rows = await db
      .select({ worker: modelWorkers.worker, problem: modelWorkers.problem })
      .from(modelWorkers)
      .where(
        and(
          alive(),
          isNotNull(modelWorkers.problem),
          eq(modelWorkers.serves, serves),
          worker === undefined ? undefined : eq(modelWorkers.worker, worker),
        ),
      )
      .orderBy(desc(modelWorkers.seenAt), asc(modelWorkers.worker));
    return rows.flatMap(({ worker, problem }) => (problem === null ? [] : [{ worker, problem }]));
  },
);

/** What the processes of living workers are held by, as far as these have told. */
export const toldSandboxes = read(async (db: Db): Promise<{ worker: string; sandbox: SandboxReport }[]> => {
  const rows = await db
    .select({ worker: modelWorkers.worker, sandbox: modelWorkers.sandbox })
    .from(modelWorkers)
    .where(and(alive(), isNotNull(modelWorkers.sandbox)))
    .orderBy(asc(modelWorkers.worker));
  return rows.flatMap(({ worker, sandbox }) => (sandbox === null ? [] : [{ worker, sandbox }]));
});
