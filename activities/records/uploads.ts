/** Uploads that go straight to the object store: open → complete → used, or removed. */
import { and, asc, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import type { UploadRow } from './rows.ts';
import { uploads } from './schema.ts';
import { read, write } from './unavailable.ts';

export interface NewUpload {
  readonly id: string;
  readonly owner: string;
  readonly filename: string;
  /** Key in the bucket. */
  readonly key: string;
  readonly bytes: number;
  readonly partBytes: number;
  readonly multipartId?: string | null | undefined;
}

export const createUpload = write(async (db: Db, upload: NewUpload): Promise<UploadRow> => {
  const [row] = await db
    .insert(uploads)
    .values({ ...upload, multipartId: upload.multipartId ?? null })
    .returning();
  return row!;
});

export const getUpload = read(async (db: Db, id: string): Promise<UploadRow | undefined> => {
  const [row] = await db.select().from(uploads).where(eq(uploads.id, id));
  return row;
});

/** Notes that all parts are there; undefined when the upload is neither open nor complete already. */
export const completeUpload = write(
  async (db: Db, id: string, etag: string): Promise<UploadRow | undefined> => {
    const [row] = await db
      .update(uploads)
      .set({ state: 'complete', etag, completedAt: sql`coalesce(${uploads.completedAt}, now())` })
      .where(and(eq(uploads.id, id), inArray(uploads.state, ['open', 'complete'])))
      .returning();
    return row;
  },
);

/** Notes that a job reads the upload; undefined when it is neither complete nor used already. */
export const markUploadUsed = write(async (db: Db, id: string): Promise<UploadRow | undefined> => {
  const [row] = await db
    .update(uploads)
    .set({ state: 'used' })
    .where(and(eq(uploads.id, id), inArray(uploads.state, ['complete', 'used'])))
    .returning();
  return row;
});

/** Notes that the upload's object and parts are gone. */
export const markUploadRemoved = write(async (db: Db, id: string): Promise<void> => {
  await db.update(uploads).set({ state: 'removed' }).where(eq(uploads.id, id));
});

/** Uploads begun before `before` that no job has used. */
export const staleUploads = read(
  async (db: Db, before: Date, limit: number): Promise<UploadRow[]> =>
    db
      .select()
      .from(uploads)
      .where(and(inArray(uploads.state, ['open', 'complete']), lt(uploads.createdAt, before)))
      .orderBy(asc(uploads.createdAt))
      .limit(limit),
);
