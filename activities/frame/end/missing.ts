/**
 * What a job is about to be published with, against what the store has. Whoever deletes is asked before each request whether it still may,
 * but the moment between that answer and the request stays open: what is gone by it is found here.
 */
import type { ManifestFile } from '@darkroom/contract';
import { allNeeded, forgetFound, type PublishedItem, publishedItems, redoItems } from '@darkroom/records';
import type { Attempt } from '../attempt/attempt.ts';
import { outputUrisOf } from '../kinds.ts';
import { ObjectTable } from './object-table.ts';

/**
 * Has items made again of which the store lacks an object, or has one of another size; where it lacks what an item is made of too, the
 * stages that find items begin anew. Returns how many items and files of the job itself (`own`) those are. Objects that lie elsewhere
 * than the job's outputs are not looked for.
 */
export async function redoMissing(
  attempt: Attempt,
  own: readonly Pick<ManifestFile, 'uri' | 'bytes'>[],
): Promise<number> {
  const { call, deps, fence, log, progress } = attempt;
  const { db } = deps.records;
  const isLost = comparison(attempt);
  let missing = 0;
  let sourcesLost = false;
  for (const file of own) if (await isLost(file)) missing++;
  for await (const page of publishedItems(db, call.jobId)) {
    progress.goesOn();
    const lost: PublishedItem[] = [];
    for (const item of page) {
      if (!(await some(item.files ?? [], isLost))) continue;
      lost.push(item);
      sourcesLost ||= await some(item.needs ?? [], (uri) => isLost({ uri }));
    }
    if (lost.length === 0) continue;
    missing += lost.length;
    await redoItems(db, fence, lost);
  }
  // What items were made of that failed: they may have failed of just that.
  for await (const uri of allNeeded(db, call.jobId)) {
    if (!(await isLost({ uri }))) continue;
    missing++;
    sourcesLost = true;
  }
  if (sourcesLost) await forgetFound(db, fence, attempt.kind);
  if (missing > 0)
    log.line(
      'warn',
      `publish: the store has lost objects of ${missing} items and files; they are made again`,
    );
  return missing;
}

interface Stored extends Pick<ManifestFile, 'uri' | 'range'> {
  readonly bytes?: number;
}

/**
 * Tells of an object of the job's outputs whether the store lacks it, or has it in another size: of a pack, whether it
 * ends before the file does. A prefix is listed when the first object
 * under it is asked for.
 */
function comparison({ call, deps, job, progress, signal }: Attempt) {
  const { storage } = deps;
  const prefixes = outputUrisOf(deps, job.kind, call.jobId);
  const listed = new Set<string>();
  const stored = new ObjectTable();
  return async ({ uri, bytes, range }: Stored): Promise<boolean> => {
    const prefix = prefixes.find((each) => uri.startsWith(each));
    if (prefix === undefined) return false;
    if (!listed.has(prefix)) {
      for await (const object of storage.list(prefix, { signal })) {
        progress.goesOn();
        stored.add(object.uri, object.size);
      }
      listed.add(prefix);
    }
    const there = stored.bytesOf(uri);
    if (there === undefined) return true;
    return range === undefined ? bytes !== undefined && there !== bytes : there < range.start + range.length;
  };
}

async function some<T>(values: readonly T[], test: (value: T) => Promise<boolean>): Promise<boolean> {
  for (const value of values) if (await test(value)) return true;
  return false;
}
