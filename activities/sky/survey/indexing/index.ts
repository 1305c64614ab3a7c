/** The index of a survey: what its objects are, which sky each covers, and what is gone. */
import type { Db } from '@darkroom/records';
import { type ObjectStore, objectSource } from '../../bytes/object.ts';
import { SkyError } from '../../errors.ts';
import type { BrokenFile } from '../../schema.ts';
import { coveredArea } from '../../sphere/area.ts';
import { mocOf } from '../../sphere/moc/moc.ts';
import { verifyFile } from '../checked/verify.ts';
import type { SurveyDefinition } from '../definition/definition.ts';
import { digestOf } from '../definition/read.ts';
import { getSurvey } from '../records/surveys.ts';
import { footprintsOf } from '../records/tiles.ts';
import {
  beginIndex,
  checkedFiles,
  dropFiles,
  endIndex,
  type IndexRun,
  type KnownFile,
  knownFiles,
  misfits,
  type NewChecksums,
  type NewFile,
  putFiles,
} from '../records/writing.ts';
import { askedOf, readHeaders } from './headers.ts';
import { keyOf, type ListObjects, scanSurvey, type WantedImage } from './scan.ts';

export interface IndexStore extends ObjectStore {
  readonly list: ListObjects;
}

export interface IndexOptions {
  readonly db: Db;
  readonly store: IndexStore;
  /** Whether to read files whole, check their DATASUM, and take checksums of them. */
  readonly verify?: boolean;
  /** Files that are read at a time; 8. */
  readonly atOnce?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: IndexProgress) => void;
}

export interface IndexProgress {
  /** Files that were looked at, of all that are to be. */
  readonly done: number;
  readonly total: number;
  readonly broken: number;
  /** Bytes read whole. */
  readonly verifiedBytes: number;
}

export interface IndexReport {
  readonly tiles: number;
  /** Images, weights and masks of the survey. */
  readonly files: number;
  /** Whether every file was verified as it is. */
  readonly verified: boolean;
  /** Objects that were read in this run. */
  readonly read: number;
  /** Objects that were known as they are. */
  readonly unchanged: number;
  /** Images, weights and masks that are no longer there, or no longer whole. */
  readonly removed: number;
  /** Objects without a DATASUM: their checksums tell only that they are as they were when they were read. */
  readonly withoutDatasum: number;
  /** Square degrees. */
  readonly area: number;
  readonly broken: readonly BrokenFile[];
}

/** No object is a file of the survey: nothing was changed. */
export class NothingFound extends Error {
  override readonly name = 'NothingFound';
}

/** Files that are written at a time. */
const batch = 100;

/**
 * Brings the index of a survey up to date. Files whose ETag is known are not read again, so that a run that was ended goes on where it was;
 * a file that cannot be taken is named and left out, and so is a weight or mask on another grid than its image. Where the definition is another
 * one, nothing of it is served before all its files are read: until then, and if that fails, the survey stays what it was. Throws
 * `IndexSuperseded` where another run begins meanwhile, {@link NothingFound}, and what the store throws: an outage leaves everything as it is.
 */
export async function indexSurvey(definition: SurveyDefinition, options: IndexOptions): Promise<IndexReport> {
  const { db, store, signal } = options;
  const { files, doubled, prefixes } = await scanSurvey(definition, store.list, signal);
  if (files.size === 0)
    throw new NothingFound(
      `No object under ${prefixes.join(', ')} is a file of ${definition.name}. Look at root, tile.pattern and the paths of its planes.`,
    );
  const before = await getSurvey(db, definition.name);
  const isReplaced = before?.state === 'ready' && before.digest !== digestOf(definition);
  const run = await beginIndex(db, definition);
  const known = new Map<string, KnownFile>();
  for await (const file of knownFiles(db, definition.name)) known.set(keyOf(file), file);
  const checked = options.verify === true ? await checkedFiles(db, definition.name) : undefined;
  const isKnown = (one: WantedImage): boolean => {
    const row = known.get(keyOf(one));
    return row?.uri === one.object.uri && row.etag === one.object.etag && row.asked === askedOf(one);
  };
  const needsWork = ([uri, wanted]: [string, readonly WantedImage[]]): boolean =>
    !wanted.every(isKnown) || (checked !== undefined && checked.get(uri) !== wanted[0]!.object.etag);
  const work = [...files].filter(needsWork);
  const taken = await takeAll(work, run, options, { doubled: doubled.length, isReplaced });
  for (let at = 0; at < taken.held.length; at += batch)
    await putFiles(db, run, { files: taken.held.slice(at, at + batch), checksums: [] });
  const kept = new Set(
    [...files].flatMap(([uri, wanted]) => (taken.brokenUris.has(uri) ? [] : wanted.map(keyOf))),
  );
  const gone = [...known.values()].filter((file) => !kept.has(keyOf(file)));
  await dropFiles(
    db,
    run,
    gone.map(({ id }) => id),
  );
  const astray = await misfits(db, definition.name);
  await dropFiles(db, run, [...new Set(astray.map(({ id }) => id))]);
  const isAsBefore = work.length === 0 && gone.length === 0 && before?.state === 'ready';
  const footprints =
    isAsBefore && before.mocOrder !== null ? undefined : await footprintsOf(db, definition.name);
  const area = footprints === undefined ? (before?.area ?? 0) : coveredArea(footprints);
  const moc = footprints && mocOf(footprints);
  const broken = [...doubled, ...taken.broken, ...astray.map(({ broken: found }) => found)];
  const counts = await endIndex(db, run, { definition, area, moc, broken });
  return {
    ...counts,
    read: work.length,
    unchanged: files.size - work.length,
    removed: gone.length,
    withoutDatasum: taken.withoutDatasum,
    area,
    broken,
  };
}

/** Reads files side by side, and writes them some at a time as they come; those that replace a definition that is served are held until all are there. */
async function takeAll(
  work: readonly (readonly [string, readonly WantedImage[]])[],
  run: IndexRun,
  { db, store, verify = false, atOnce = 8, signal, onProgress }: IndexOptions,
  { doubled, isReplaced }: { readonly doubled: number; readonly isReplaced: boolean },
) {
  const held: NewFile[] = [];
  const broken: BrokenFile[] = [];
  const brokenUris = new Set<string>();
  let [next, done, verifiedBytes, withoutDatasum] = [0, 0, 0, 0];
  let files: NewFile[] = [];
  let checksums: NewChecksums[] = [];
  const failing = new AbortController();
  const linked = signal === undefined ? failing.signal : AbortSignal.any([signal, failing.signal]);
  const tell = () =>
    onProgress?.({ done, total: work.length, broken: broken.length + doubled, verifiedBytes });
  const flush = async (): Promise<void> => {
    const written = { files: isReplaced ? [] : files, checksums };
    if (isReplaced) held.push(...files);
    [files, checksums] = [[], []];
    if (written.files.length + written.checksums.length > 0) await putFiles(db, run, written);
  };
  const take = async (uri: string, wanted: readonly WantedImage[]): Promise<void> => {
    const source = objectSource(store, wanted[0]!.object);
    try {
      const found = await readHeaders(source, wanted, linked);
      if (verify) {
        const onBytes = (bytes: number) => {
          verifiedBytes += bytes;
          tell();
        };
        const { datasum, ...sums } = await verifyFile(source, { signal: linked, onBytes });
        checksums.push({ ...sums, uri, datasum, sums: Buffer.from(sums.sums) });
        if (!datasum) withoutDatasum++;
      }
      files.push(...found);
    } catch (error) {
      if (!(error instanceof SkyError)) throw error;
      broken.push({ uri, code: error.code, detail: error.message });
      brokenUris.add(uri);
    }
  };
  const runner = async (): Promise<void> => {
    while (next < work.length) {
      linked.throwIfAborted();
      const [uri, wanted] = work[next++]!;
      await take(uri, wanted);
      if (files.length >= batch || checksums.length >= batch) await flush();
      done++;
      tell();
    }
  };
  tell();
  const ended = await Promise.allSettled(
    Array.from({ length: atOnce }, () =>
      runner().catch((error: unknown) => {
        failing.abort(error);
        throw error;
      }),
    ),
  );
  // What was read before an outage is kept: the next run need not read it again.
  await flush();
  signal?.throwIfAborted();
  if (failing.signal.aborted) throw failing.signal.reason;
  const failed = ended.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return { broken, brokenUris, withoutDatasum, held };
}
