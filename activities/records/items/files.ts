/** What a job's results list, a page at a time: the files of its items as the ledger has them, then the job's own. */
import type { ManifestFile } from '@darkroom/contract';
import { and, asc, eq, gt, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Db } from '../postgres/connection.ts';
import { read } from '../postgres/unavailable.ts';
import type { JobRow } from '../rows.ts';
import { type ItemFile, jobFiles, jobItems, jobs } from '../schema.ts';

/** After which file a page begins: an item's (stage, ordinal, which of its files from 1), or the job's own (ordinal). */
export const filePlace = z.union([z.tuple([z.string(), z.int(), z.int()]), z.tuple([z.int()])]);
export type FilePlace = z.infer<typeof filePlace>;

export interface ListedFile {
  readonly file: ManifestFile;
  readonly place: FilePlace;
}

/** At most `limit` files after `after`, in the manifest's order; reads at most that many rows of each table, and one. */
export const listFiles = read(
  async (
    db: Db,
    jobId: string,
    {
      after,
      limit,
      item,
    }: {
      readonly after?: FilePlace | undefined;
      readonly limit: number;
      /** Key of an item whose files alone are meant; '' for the job's own. */
      readonly item?: string | undefined;
    },
  ): Promise<ListedFile[]> => {
    const listed: ListedFile[] =
      item === '' || after?.length === 1 ? [] : await itemFiles(db, jobId, after, { limit, item });
    if (item || listed.length >= limit) return listed.slice(0, limit);
    const own = await ownFiles(db, jobId, after?.length === 1 ? after[0] : 0, limit - listed.length);
    return [...listed, ...own];
  },
);

async function itemFiles(
  db: Db,
  jobId: string,
  after: readonly [string, number, number] | undefined,
  { limit, item }: { readonly limit: number; readonly item: string | undefined },
): Promise<ListedFile[]> {
  const [stage, ordinal, index] = after ?? ['', 0, 0];
  const rows = await itemFilesPage(db, jobId, { stage, ordinal, item }, limit + 1);
  return rows.flatMap((row) => {
    const seen = row.stage === stage && row.ordinal === ordinal ? index : 0;
    return (row.files ?? []).flatMap((file, i) =>
      i < seen
        ? []
        : [{ file: { ...file, item: row.key }, place: [row.stage, row.ordinal, i + 1] satisfies FilePlace }],
    );
  });
}

/** The query: items that have files, from this one on; of `item` alone, where that is given. */
export const itemFilesPage = (
  db: Db,
  jobId: string,
  from: { stage: string; ordinal: number; item?: string | undefined },
  limit: number,
) =>
  db
    .select({ stage: jobItems.stage, ordinal: jobItems.ordinal, key: jobItems.key, files: jobItems.files })
    .from(jobItems)
    .where(
      and(
        eq(jobItems.jobId, jobId),
        eq(jobItems.state, 'succeeded'),
        from.item === undefined ? itemsHaveFiles(jobId) : eq(jobItems.key, from.item),
        // Without files an item would take a row of the page and give nothing.
        sql`jsonb_array_length(${jobItems.files}) > 0`,
        // The item that the last page may have broken off in, too.
        sql`(${jobItems.stage}, ${jobItems.ordinal}) >= (${from.stage}, ${from.ordinal}::int)`,
      ),
    )
    .orderBy(asc(jobItems.stage), asc(jobItems.ordinal))
    .limit(limit);

/** False where all files that were noted at the job's end are its own: in search of another, each page would read all items. */
const itemsHaveFiles = (jobId: string): SQL => sql`(
  select ${jobs.files} is null or ${jobs.files} > (select count(*) from ${jobFiles} where ${jobFiles.jobId} = ${jobId})
  from ${jobs} where ${jobs.id} = ${jobId})`;

async function ownFiles(db: Db, jobId: string, after: number, limit: number): Promise<ListedFile[]> {
  const rows = await db
    .select()
    .from(jobFiles)
    .where(and(eq(jobFiles.jobId, jobId), gt(jobFiles.ordinal, after)))
    .orderBy(asc(jobFiles.ordinal))
    .limit(limit);
  return rows.map(({ jobId: _, ordinal, crc32, ...file }) => ({
    file: { ...file, ...(crc32 !== null && { crc32 }), item: null },
    place: [ordinal],
  }));
}

/** The file of an item at its place; undefined where there is none, or the item has not succeeded. */
export const fileAt = read(
  async (
    db: Db,
    jobId: string,
    [stage, ordinal, number]: Extract<FilePlace, readonly [string, number, number]>,
  ): Promise<ManifestFile | undefined> => {
    const [row] = await db
      .select({ key: jobItems.key, files: jobItems.files })
      .from(jobItems)
      .where(
        and(
          eq(jobItems.jobId, jobId),
          eq(jobItems.stage, stage),
          eq(jobItems.ordinal, ordinal),
          eq(jobItems.state, 'succeeded'),
        ),
      );
    const file = row?.files?.[number - 1];
    return file && { ...file, item: row!.key };
  },
);

/** How many files {@link listFiles} lists of a job that has ended: noted at its end; counted, for jobs that ended before that was so. */
export const countFiles = read(
  async (db: Db, { id, files }: Pick<JobRow, 'id' | 'files'>): Promise<number> =>
    files ?? (await countItemFiles(db, id)),
);

/** Query for the number of files of the items that have succeeded. */
export const itemFileCount = (jobId: string): SQL => sql`
  select coalesce(sum(jsonb_array_length(files)), 0)::int as files from ${jobItems}
  where job_id = ${jobId} and state = 'succeeded' and files is not null`;

async function countItemFiles(db: Db, jobId: string): Promise<number> {
  const { rows } = await db.execute<{ files: number }>(itemFileCount(jobId));
  return rows[0]!.files;
}

/** URIs of the objects that files of the job's items lie in as ranges, each once; there are far fewer of them than files. */
export const packUris = read(async (db: Db, jobId: string): Promise<string[]> => {
  const { rows } = await db.execute<{ uri: string }>(sql`
    select distinct file ->> 'uri' as uri
    from ${jobItems} as item, jsonb_array_elements(item.files) as file
    where item.job_id = ${jobId} and item.state = 'succeeded' and file ? 'range'`);
  return rows.map(({ uri }) => uri);
});

export interface ItemOutcome {
  /** Of the items that have succeeded. */
  readonly files: number;
  readonly bytes: number;
  /** Another one where any item has ended otherwise, or has other files. */
  readonly digest: string;
}

/** What the items of a job came to so far; reads all of them. */
export const outcomeOfItems = read(async (db: Db, jobId: string): Promise<ItemOutcome> => {
  const succeeded = sql`filter (where state = 'succeeded')`;
  // A sum does not depend on an order, and takes no memory.
  const { rows } = await db.execute<{ files: number; bytes: number; digest: string }>(sql`
    select coalesce(sum(jsonb_array_length(files)) ${succeeded}, 0)::int as files,
      coalesce(sum((select sum((file->>'bytes')::bigint) from jsonb_array_elements(files) as file)) ${succeeded}, 0)::float8 as bytes,
      coalesce(sum(hashtextextended(concat_ws(' ', stage, ordinal, state, files, problem), 0)::numeric), 0)::text as digest
    from ${jobItems} where job_id = ${jobId}`);
  return rows[0]!;
});

const rowsPerInsert = 1000;

/** Notes the job's own files; in the transaction that ends the job. */
export async function insertJobFiles(tx: Db, jobId: string, files: readonly ItemFile[]): Promise<void> {
  for (let from = 0; from < files.length; from += rowsPerInsert) {
    const rows = files
      .slice(from, from + rowsPerInsert)
      .map(({ path, uri, bytes, sha256, crc32, contentType }, i) => ({
        jobId,
        ordinal: from + i + 1,
        path,
        uri,
        bytes,
        sha256,
        crc32: crc32 ?? null,
        contentType,
      }));
    await tx.insert(jobFiles).values(rows);
  }
}
