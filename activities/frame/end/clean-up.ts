/** Which objects go at the end of a job. Each way decides after the row has moved, and asks it before each batch of deletes. */
import type { Call } from '@darkroom/contract';
import {
  allFiles,
  allNeeded,
  assertEnding,
  assertResults,
  type Ending,
  type FilePlace,
  hasResults,
  listFiles,
  packUris,
  stageObjects,
} from '@darkroom/records';
import type { Attempt, FrameDeps } from '../attempt/attempt.ts';
import { outputsOf, outputUrisOf } from '../kinds.ts';
import { settleManifest } from './manifest.ts';
import { ObjectTable } from './object-table.ts';

/**
 * Of a job that did not succeed: deletes objects that no finished item owns, no other is made of and no stage's result or checkpoint names,
 * and uploads that were under way. What is kept is read after the run's attempts have lost the fence, so that none of them publishes
 * what is deleted here.
 */
export async function removeUnpublished(
  { records, storage, kinds }: FrameDeps,
  kind: string,
  ending: Ending,
  signal: AbortSignal,
): Promise<void> {
  const { db } = records;
  const keep = new ObjectTable();
  for await (const uri of allNeeded(db, ending.jobId)) keep.add(uri);
  for await (const { uri } of allFiles(db, ending.jobId)) keep.add(uri);
  for (const uri of await stageObjects(db, ending.jobId)) keep.add(uri);
  const assertHeld = () => assertEnding(db, ending);
  for (const prefix of outputsOf(kinds, kind, ending.jobId)) {
    await storage.removePrefix(prefix, { keep, assertHeld, signal });
  }
}

/**
 * What is left to do of a job whose row says that it has succeeded: its manifest gets the name that users know, and what only its stages
 * needed goes. May be repeated. `manifestInParts` where it is known: one document has that name already.
 */
export async function settle(
  deps: FrameDeps,
  kind: string,
  call: Pick<Call, 'jobId' | 'run'>,
  { signal, manifestInParts = true }: { readonly signal: AbortSignal; readonly manifestInParts?: boolean },
): Promise<void> {
  if (manifestInParts) await settleManifest(deps, call, signal);
  await removeIntermediate(deps, kind, call, signal);
}

/** Files looked through at a time. */
const filesAtOnce = 1000;

/**
 * Of a job that has succeeded: deletes the objects that its stages' results and checkpoints name and its own results do not list. Nobody
 * resumes it, and none of its stages is skipped any more. May be repeated.
 */
async function removeIntermediate(
  deps: FrameDeps,
  kind: string,
  call: Pick<Call, 'jobId' | 'run'>,
  signal: AbortSignal,
): Promise<void> {
  const { db } = deps.records;
  const { jobId } = call;
  const named = await stageObjects(db, jobId);
  // What lies elsewhere was delivered to its user.
  const prefixes = outputUrisOf(deps, kind, jobId);
  const left = new Set(named.filter((uri) => prefixes.some((prefix) => uri.startsWith(prefix))));
  for (let after: FilePlace | undefined, more = left.size > 0; more; ) {
    const page = await listFiles(db, jobId, { after, limit: filesAtOnce });
    for (const { file } of page) left.delete(file.uri);
    after = page.at(-1)?.place;
    more = page.length === filesAtOnce;
  }
  // Of a job that is being removed somebody else removes all.
  if (left.size === 0 || !(await hasResults(db, call))) return;
  await deps.storage.remove(left, { assertHeld: () => assertResults(db, call), signal });
}

/**
 * Of a job whose items have all ended: removes the packs under the prefix that none of them names, of attempts that died before they could say
 * what is in them. For the `tidy` of a job that is published; may be repeated.
 */
export async function removeUnnamedPacks(
  { deps, call, assertHeld, signal }: Pick<Attempt, 'deps' | 'call' | 'assertHeld' | 'signal'>,
  prefix: string,
): Promise<void> {
  const keep = new Set(await packUris(deps.records.db, call.jobId));
  await deps.storage.removePrefix(prefix, { keep, assertHeld, signal });
}
