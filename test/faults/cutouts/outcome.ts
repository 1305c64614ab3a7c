/** What a job of cutouts has come to: its rows, its files and its objects, and what must not be of them. */
import { createHash } from 'node:crypto';
import { type CutoutResult, cutoutResult, cutoutsKind } from '@darkroom/contract';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { z } from 'zod';
import type { LedgerAttempt } from '../ledger.ts';
import type { Platform } from '../platform.ts';
import type { Row } from './tiles.ts';

export interface CutoutItemRow {
  readonly key: string;
  readonly ordinal: number;
  readonly state: string;
  readonly run: number;
  readonly claim: number;
  readonly attempt: number;
  readonly deaths: number;
  readonly code: string | null;
  readonly detail: string | null;
  readonly group: string | null;
  readonly files: readonly { path: string; uri: string; sha256: string }[] | null;
}

/** The cutouts of a job, in the order of its list. */
export const cutoutsOf = ({ records }: Pick<Platform, 'records'>, id: string): Promise<CutoutItemRow[]> =>
  records.sql<{ [K in keyof CutoutItemRow]: CutoutItemRow[K] }>`
    select key, ordinal, state, run, claim::int, attempt, deaths, problem ->> 'code' as code, problem ->> 'detail' as detail,
      group_name as "group", files
    from job_items where job_id = ${id} and stage = 'cut' order by key::int`;

/** How many cutouts of a job are there. */
export async function madeOf({ records }: Pick<Platform, 'records'>, id: string): Promise<number> {
  const [row] = await records.sql<{ made: number }>`
    select count(*)::int as made from job_items where job_id = ${id} and stage = 'cut' and state = 'succeeded'`;
  return row!.made;
}

/** Claims of the attempts that have cutouts in hand. */
export async function claimsInHand({ records }: Pick<Platform, 'records'>, id: string): Promise<number[]> {
  const rows = await records.sql<{ claim: number }>`
    select distinct claim::int as claim from job_items where job_id = ${id} and stage = 'cut' and state = 'running'`;
  return rows.map(({ claim }) => claim);
}

/** SHA-256 of each file by its path. */
export const digestsOf = (items: readonly CutoutItemRow[]): Map<string, string> =>
  new Map(
    items.flatMap(({ state, files }) =>
      state === 'succeeded' ? (files ?? []).map(({ path, sha256 }) => [path, sha256] as const) : [],
    ),
  );

/** Whether somebody has taken up what a process had in hand when it died. */
export const isTakenUp = (attempts: readonly LedgerAttempt[], pid: number): boolean =>
  attempts.some(
    ({ worker, outcome, activity, attempt }) =>
      worker.endsWith(`/${pid}`) &&
      (outcome === 'fenced' ||
        attempts.some((later) => later.activity === activity && later.attempt > attempt)),
  );

const [, files] = cutoutsKind.outputs('');

/** Keys of all that lies under what the job's user is given. */
export const keysOf = ({ storage }: Pick<Platform, 'storage'>, id: string): Promise<string[]> =>
  keysUnder(storage, `s3://${storage.bucket}/${files.replace('//', `/${id}/`)}`);

const keyOf = (uri: string): string => uri.split('/').slice(3).join('/');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export interface Manifests {
  readonly rows: readonly CutoutResult[];
  /** Lines of the CSV behind its header. */
  readonly lines: readonly string[];
}

export async function manifestsOf({ storage }: Pick<Platform, 'storage'>, id: string): Promise<Manifests> {
  const read = async (name: string): Promise<string> =>
    String(await storage.getBytes(`s3://${storage.bucket}/cutouts/${id}/${name}`, { maxBytes: 50_000_000 }));
  const rows = z.array(cutoutResult).parse(JSON.parse(await read('manifest.json')));
  const [, ...lines] = (await read('manifest.csv')).trimEnd().split(/\r?\n/);
  return { rows, lines };
}

/**
 * What is wrong with a job whose cutouts have ended, all but `failed` of them, with the files of an undisturbed one; empty when all is right.
 * Objects are read where `contents` says so.
 */
export async function faultsOf(
  platform: Pick<Platform, 'records' | 'storage'>,
  id: string,
  {
    rows,
    expected,
    contents = false,
  }: {
    readonly rows: readonly Row[];
    /** By path; those that failed are not among them. */
    readonly expected: ReadonlyMap<string, string>;
    readonly contents?: boolean;
  },
): Promise<string[]> {
  const faults: string[] = [];
  const items = await cutoutsOf(platform, id);
  if (items.length !== rows.length) faults.push(`${items.length} cutouts of ${rows.length} rows`);
  const found = digestsOf(items);
  for (const path of new Set([...found.keys(), ...expected.keys()]))
    if (found.get(path) !== expected.get(path))
      faults.push(`${path} is ${found.get(path) ?? 'missing'}, not ${expected.get(path) ?? 'there'}`);
  const uris = items.flatMap((item) => (item.state === 'succeeded' ? (item.files ?? []) : []));
  if (uris.length !== found.size) faults.push(`${uris.length} files have ${found.size} names`);

  const manifests = ['json', 'csv'].map((as) => `cutouts/${id}/manifest.${as}`);
  const listed = new Set([...uris.map(({ uri }) => keyOf(uri)), ...manifests]);
  const there = new Set(await keysOf(platform, id));
  const surplus = [...there].filter((key) => !listed.has(key));
  const lost = [...listed].filter((key) => !there.has(key));
  if (surplus.length > 0) faults.push(`nobody lists ${surplus.slice(0, 5).join(', ')} (${surplus.length})`);
  if (lost.length > 0) faults.push(`the store has no ${lost.slice(0, 5).join(', ')} (${lost.length})`);
  if (contents)
    for (const { uri, sha256: digest } of uris)
      if (sha256(await platform.storage.getBytes(uri, { maxBytes: 1_000_000 })) !== digest)
        faults.push(`${uri} is another file than its row says`);
  faults.push(...(await faultsOfManifests(platform, id, { rows, found })));
  return faults;
}

async function faultsOfManifests(
  platform: Pick<Platform, 'storage'>,
  id: string,
  { rows, found }: { readonly rows: readonly Row[]; readonly found: ReadonlyMap<string, string> },
): Promise<string[]> {
  const { rows: told, lines } = await manifestsOf(platform, id);
  const faults: string[] = [];
  for (const [what, count] of [
    ['JSON', told.length],
    ['CSV', lines.length],
  ])
    if (count !== rows.length) faults.push(`the manifest in ${what} has ${count} rows of ${rows.length}`);
  for (const [i, { row, id: name, file, sha256: digest, status, problem }] of told.entries()) {
    if (row !== i + 1 || name !== rows[i]?.id) faults.push(`row ${i + 1} of the manifest is ${row}, ${name}`);
    const isThere = status === 'succeeded' && file !== null && found.get(file) === digest;
    const hasFailed = status === 'failed' && file === null && problem !== null;
    if (!isThere && !hasFailed) faults.push(`row ${row} is ${status} with ${file}, ${digest}`);
    if (!lines[i]?.startsWith(`${row},0,${name},`)) faults.push(`line ${row} of the CSV is ${lines[i]}`);
    if (file !== null && !lines[i]?.includes(`${file},`))
      faults.push(`line ${row} of the CSV has no ${file}`);
  }
  return faults.slice(0, 20);
}
