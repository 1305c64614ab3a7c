/** What a job has left behind, in rows and in objects: what the tests compare. */
import { createHash } from 'node:crypto';
import { type ManifestFile, videoKind } from '@darkroom/contract';
import { sql } from 'drizzle-orm';
import type { Platform } from './platform.ts';

export interface LedgerItem {
  readonly ordinal: number;
  readonly state: string;
  readonly run: number;
  readonly claim: number;
  readonly attempt: number;
  readonly deaths: number;
  readonly sha256: string | null;
  readonly code: string | null;
  readonly files: readonly { path: string; uri: string; sha256: string }[] | null;
}

/** The photos or scenes of a job, in order. */
export const itemsOf = ({ records }: Platform, job: string): Promise<LedgerItem[]> =>
  records.sql<{ [K in keyof LedgerItem]: LedgerItem[K] }>`
    select ordinal, state, run, claim::int, attempt, deaths, sha256, files, problem ->> 'code' as code
    from job_items where job_id = ${job} and stage = 'recognise' order by ordinal`;

export interface LedgerAttempt {
  readonly run: number;
  readonly claim: number;
  readonly activity: string;
  readonly attempt: number;
  readonly stage: string;
  readonly worker: string;
  readonly outcome: string | null;
}

/** The attempts at activities of a job, in the order of their claims. */
export const attemptsOf = ({ records }: Platform, job: string): Promise<LedgerAttempt[]> =>
  records.sql<{ [K in keyof LedgerAttempt]: LedgerAttempt[K] }>`
    select run, claim::int, activity, attempt, stage, worker, outcome from job_attempts
    where job_id = ${job} order by run, claim`;

/** Process ids of the workers that tried the job's activities. */
export async function workersOf(platform: Platform, job: string): Promise<number[]> {
  const attempts = await attemptsOf(platform, job);
  return [...new Set(attempts.map(({ worker }) => Number(worker.split('/').at(-1))))];
}

/** Path and SHA-256 of every file of every item that succeeded. */
export async function digestsOf(platform: Platform, job: string): Promise<Map<string, string>> {
  const items = await itemsOf(platform, job);
  return new Map(
    items.flatMap(({ files, state }) =>
      state === 'succeeded' ? (files ?? []).map(({ path, sha256 }) => [path, sha256] as const) : [],
    ),
  );
}

/** URI and SHA-256 of every object that lies under what the job makes; a photo's lie where a video's do. */
export async function objectsOf({ storage }: Platform, job: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const prefix of videoKind.outputs(job)) {
    for await (const { uri } of storage.list(`s3://${storage.bucket}/${prefix}`)) {
      const bytes = await storage.getBytes(uri, { maxBytes: 100_000_000 });
      found.set(uri, createHash('sha256').update(bytes).digest('hex'));
    }
  }
  return found;
}

/** Multipart uploads that were begun in the platform's bucket and neither completed nor aborted. */
export async function openUploadsOf({ storage }: Platform): Promise<string[]> {
  const open: string[] = [];
  for await (const { key } of storage.openUploads(`s3://${storage.bucket}/`)) open.push(key);
  return open;
}

/** The files that the job's manifest names, by URI, and the manifest's own URI. */
export async function manifestOf(
  { storage }: Platform,
  job: string,
): Promise<{ uri: string; files: Map<string, string> }> {
  const uri = `s3://${storage.bucket}/${videoKind.outputs(job)[0]}manifest.json`;
  const { files } = JSON.parse(String(await storage.getBytes(uri, { maxBytes: 10_000_000 }))) as {
    files: ManifestFile[];
  };
  return { uri, files: new Map(files.map((file) => [file.uri, file.sha256])) };
}

export interface Rows {
  readonly segments: number;
  readonly results: number;
  /** Rows that share segment and box with another: the same finding, kept twice. */
  readonly duplicates: number;
}

/** How many rows of findings the job has. */
export async function rowsOf({ records }: Platform, job: string): Promise<Rows> {
  const [rows] = await records.sql<{ [K in keyof Rows]: Rows[K] }>`
    select (select count(*)::int from task_segments where job_id = ${job}) as segments,
           (select count(*)::int from recognition_results where job_id = ${job}) as results,
           (select count(*)::int from (
              select 1 from recognition_results where job_id = ${job}
              group by segment_id, label, score, x, y, width, height having count(*) > 1) twice) as duplicates`;
  return rows!;
}

/** Tables with rows that belong to the job, whosever they are; its tombstone in `jobs` aside. */
export async function tablesWith({ records }: Platform, job: string): Promise<string[]> {
  const tables = await records.sql<{ name: string }>`
    select table_name as name from information_schema.columns
    where table_schema = 'public' and column_name = 'job_id' order by 1`;
  if (tables.length < 10) throw new Error('The tables of jobs were not found.');
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await records.db.execute(
      sql`select 1 from ${sql.identifier(name)} where job_id = ${job} limit 1`,
    );
    if (rows.length > 0) found.push(name);
  }
  return found;
}

/** What is wrong with the outcome of a job that should have done all its items, each once, as `expected`; empty when all is right. */
export async function faultsOf(
  platform: Platform,
  job: string,
  expected: { digests: ReadonlyMap<string, string>; rows: Rows },
): Promise<string[]> {
  const faults: string[] = [];
  const items = await itemsOf(platform, job);
  for (const { ordinal, state } of items)
    if (state !== 'succeeded') faults.push(`item ${ordinal} is ${state}`);
  faults.push(...differences('digests', await digestsOf(platform, job), expected.digests));
  const rows = await rowsOf(platform, job);
  if (rows.segments !== items.length) faults.push(`${rows.segments} segments of ${items.length} items`);
  if (JSON.stringify(rows) !== JSON.stringify(expected.rows))
    faults.push(`rows are ${JSON.stringify(rows)}, not ${JSON.stringify(expected.rows)}`);
  const objects = await objectsOf(platform, job);
  const { uri, files } = await manifestOf(platform, job);
  objects.delete(uri);
  faults.push(...differences('objects beside the manifest', objects, files));
  const uploads = await openUploadsOf(platform);
  if (uploads.length > 0) faults.push(`open uploads: ${uploads.join(', ')}`);
  return faults;
}

function differences(
  what: string,
  found: ReadonlyMap<string, string>,
  expected: ReadonlyMap<string, string>,
): string[] {
  const keys = new Set([...found.keys(), ...expected.keys()]);
  return [...keys].flatMap((key) =>
    found.get(key) === expected.get(key)
      ? []
      : [`${what}: ${key} is ${found.get(key) ?? 'missing'}, not ${expected.get(key) ?? 'there'}`],
  );
}
