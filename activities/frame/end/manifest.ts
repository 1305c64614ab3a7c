/** The manifest of a job: one document where it has few files, else parts and an index of them. No more than a part of it is held. */
import { createHash } from 'node:crypto';
import {
  type Call,
  filesPerManifest,
  type Manifest,
  type ManifestFile,
  type ManifestIndex,
  manifestIndex,
} from '@darkroom/contract';
import { assertResults, getJobRow, hasResults } from '@darkroom/records';
import type { Attempt, FrameDeps } from '../attempt/attempt.ts';
import { outputsOf } from '../kinds.ts';

export interface WrittenManifest {
  /** What the job's row is to name: `manifest.json`, or the index. */
  readonly uri: string;
  /** Files that it lists. */
  readonly files: number;
  /** Its objects, parts included. */
  readonly objects: readonly { readonly uri: string; readonly bytes: number }[];
}

const fixedName = 'manifest.json';

/**
 * Writes the manifest of these files. Parts and index are named by their content, so that nobody who was replaced and writes late changes
 * what another has written: the job's row, by naming one, decides which index is true. {@link settleManifest} follows that.
 */
export async function writeManifest(
  attempt: Attempt,
  files: AsyncIterable<ManifestFile>,
  perPart = filesPerManifest,
): Promise<WrittenManifest> {
  const { job, signal } = attempt;
  const { storage, kinds } = attempt.deps;
  const [home] = outputsOf(kinds, job.kind, job.id);
  const put = async (path: string, text: string, contentType: string) => {
    await attempt.assertHeld();
    const { uri, size, sha256 } = await storage.putBytes(home + path, Buffer.from(text), {
      contentType,
      signal,
    });
    return { uri, bytes: size, sha256 };
  };
  const textOf = (top: Manifest | ManifestIndex): string => JSON.stringify(top, null, 1);

  const pages = pagesOf(files, perPart);
  const first = (await pages.next()).value ?? [];
  let page = first.length < perPart ? [] : ((await pages.next()).value ?? []);
  if (page.length === 0) {
    const text = textOf({ job: job.id, kind: job.kind, files: first });
    const top = await put(fixedName, text, 'application/json');
    return { uri: top.uri, files: first.length, objects: [top] };
  }
  const parts: ManifestIndex['parts'] = [];
  const putPart = async (lines: readonly ManifestFile[]): Promise<void> => {
    const text = lines.map((file) => `${JSON.stringify(file)}\n`).join('');
    const name = `${String(parts.length + 1).padStart(5, '0')}-${nameOf(text)}.ndjson`;
    parts.push({ files: lines.length, ...(await put(partsIn + name, text, 'application/x-ndjson')) });
  };
  for (await putPart(first); page.length > 0; page = (await pages.next()).value ?? []) await putPart(page);
  const total = parts.reduce((sum, part) => sum + part.files, 0);
  const text = textOf({ job: job.id, kind: job.kind, total, parts });
  const top = await put(`${partsIn}index-${nameOf(text)}.json`, text, 'application/json');
  return { uri: top.uri, files: total, objects: [top, ...parts] };
}

/** An index of a million files has some 30 kB. */
const indexBytes = 16 * 1024 * 1024;

/**
 * Of a job that has succeeded, whose manifest is in parts: writes the index that its row names under the name that users know, and removes
 * parts and indexes of attempts that did not end the job. Nobody can end it once more, so that none writes another. May be repeated.
 */
export async function settleManifest(
  { records: { db }, storage, kinds }: FrameDeps,
  call: Pick<Call, 'jobId' | 'run'>,
  signal: AbortSignal,
): Promise<void> {
  const job = await getJobRow(db, call.jobId);
  const uri = job?.result?.manifest;
  if (job === undefined || typeof uri !== 'string') return;
  const [home] = outputsOf(kinds, job.kind, job.id);
  if (!uri.startsWith(`s3://${storage.bucket}/${home}${partsIn}`)) return;
  // Of a job that is being removed somebody else removes all, this too.
  if (!(await hasResults(db, call))) return;
  const index = await storage.getBytes(uri, { maxBytes: indexBytes, signal });
  const { parts } = manifestIndex.parse(JSON.parse(index.toString()));
  const assertHeld = () => assertResults(db, call);
  await assertHeld();
  await storage.putBytes(home + fixedName, index, { contentType: 'application/json', signal });
  const keep = new Set([uri, ...parts.map((part) => part.uri)]);
  await storage.removePrefix(home + partsIn, { keep, assertHeld, signal });
}

/** The folder of parts and index, beside `manifest.json`. */
const partsIn = 'manifest/';

const nameOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

async function* pagesOf<T>(all: AsyncIterable<T>, size: number): AsyncGenerator<T[], undefined> {
  let page: T[] = [];
  for await (const each of all) {
    page.push(each);
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
