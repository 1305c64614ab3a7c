/** Uploads that go straight to the object store: open → complete → used, or removed. */
import { and, eq, inArray, isNull, lt, or, sql } from 'drizzle-orm';
import { Fenced } from './attempts/fence.ts';
import type { Db } from './postgres/connection.ts';
import { read, write } from './postgres/unavailable.ts';
import type { UploadRow } from './rows.ts';
import { inOrder, isAfter, uploads } from './schema.ts';

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

/** Records an upload as open; undefined when its owner has `most` of them open already. */
export const createUpload = write(
  async (db: Db, upload: NewUpload, most: number): Promise<UploadRow | undefined> =>
    db.transaction(async (tx) => {
      // One at a time for an owner: two that count beside each other would both find room.
      await tx.execute(
        sql`select pg_advisory_xact_lock(hashtextextended(${`uploads of ${upload.owner}`}, 0))`,
      );
      if ((await countOpen(tx, upload.owner)) >= most) return undefined;
      const [row] = await tx
        .insert(uploads)
        .values({ ...upload, multipartId: upload.multipartId ?? null })
        .returning();
      return row;
    }),
);

/** How many uploads somebody has open. */
export const countOpenUploads = read((db: Db, owner: string): Promise<number> => countOpen(db, owner));

const countOpen = (db: Db, owner: string): Promise<number> =>
  db.$count(uploads, and(eq(uploads.owner, owner), eq(uploads.state, 'open')));

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

/** Gives a complete upload to a job: true for one caller alone, the row lock makes the others wait for the first one's end. */
export const useUpload = write(async (db: Db, id: string): Promise<boolean> => {
  const rows = await db
    .update(uploads)
    .set({ state: 'used' })
    .where(and(eq(uploads.id, id), eq(uploads.state, 'complete')))
    .returning({ id: uploads.id });
  return rows.length > 0;
});

/** Takes an upload back that no job has used, and returns the row as it is then: `used` stays so. Its objects go after that. */
export const takeBackUpload = write(async (db: Db, id: string): Promise<UploadRow | undefined> => {
  await db
    .update(uploads)
    .set({ state: 'removed' })
    .where(and(eq(uploads.id, id), inArray(uploads.state, ['open', 'complete'])));
  return getUpload(db, id);
});

/** The fence of whoever removes an upload's objects. Throws Fenced while a job may still use it. */
export const assertUploadOver = read(async (db: Db, id: string): Promise<void> => {
  const row = await getUpload(db, id);
  if (row?.state === 'used' || row?.state === 'removed') return;
  throw new Fenced(`Upload ${id} is ${row?.state ?? 'unknown'}: its objects stay.`);
});

/** Notes that nothing of a used or removed upload is left in the store. */
export const markUploadEmptied = write(async (db: Db, id: string): Promise<void> => {
  await db
    .update(uploads)
    .set({ emptiedAt: sql`now()` })
    .where(and(eq(uploads.id, id), inArray(uploads.state, ['used', 'removed'])));
});

/** Uploads that may have left something in the store: used or removed ones, and those begun before `before` that no job has used. */
export const leftUploads = read(
  async (db: Db, before: Date, after: string, limit: number): Promise<UploadRow[]> =>
    db
      .select()
      .from(uploads)
      .where(
        and(
          isNull(uploads.emptiedAt),
          or(inArray(uploads.state, ['used', 'removed']), lt(uploads.createdAt, before)),
          isAfter(uploads.id, after),
        ),
      )
      .orderBy(inOrder(uploads.id))
      .limit(limit),
);
