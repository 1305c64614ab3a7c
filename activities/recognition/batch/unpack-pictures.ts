/** The plan of a batch that came as an archive: each picture in it becomes an object and an item, some at a time; what is refused an item that failed. */
import { createHash } from 'node:crypto';
import {
  type ArchiveSource,
  type BatchPicture,
  batchPicture,
  type Planned,
  ProblemError,
} from '@darkroom/contract';
import { type Attempt, folderOf, gotOn, saveFound } from '@darkroom/frame';
import { failpoint, releaseMemory } from '@darkroom/platform';
import { Lanes } from '@darkroom/platform/lanes.ts';
import {
  type FoundItem,
  failFoundAgain,
  forgetFound,
  type ItemPlace,
  listItems,
  openCheckpoint,
} from '@darkroom/records';
import { rangeSource } from '@darkroom/storage';
import { z } from 'zod';
import { marksOf } from '../archive/gate.ts';
import type { ArchiveEntry, From, Place } from '../archive/read.ts';
import { unpack } from '../archive/unpack.ts';

/** Raised when the same archive would give other entries. */
const version = 1;
/** Objects that are written beside each other, each held until it is there. */
const writtenAtOnce = 4;
/** Entries that become items together, and the longest that those wait for more. */
const entriesAtOnce = 500;
const savedEachMs = 2000;
/**
 * How long one activity unpacks: well within what it may take. A tar is gone on with at the place that was reached, a ZIP by its directory; what
 * a tar.gz holds is found again only by reading all that is before it.
 */
const turnMs = 4 * 60_000;
/** Items that are read from the ledger together. */
const readAtOnce = 2000;
/** The checkpoint: so many entries, of a tar the place behind them. Releases of before told none. */
const cursorOf = z.object({
  entries: z.int(),
  place: z.object({ offset: z.int(), members: z.int() }).optional(),
});
/** Of an entry's name, in UTF-16 units. */
const mostNameLength = 1024;
/** How often the fence is asked for, while objects are written. */
const heldEachMs = 1000;

/** Unpacks on, behind what is in the ledger. Throws ProblemError as `unpack`, and `empty_file` where nothing is in it. */
export async function unpackPictures(attempt: Attempt, archive: ArchiveSource): Promise<Planned> {
  const { deps, fence, call, kind } = attempt;
  const { db } = deps.records;
  // A new run has made what had failed pending.
  if (call.run > 1) await failFoundAgain(db, fence, 'predict');
  const made = { stage: call.stage, itemStage: 'predict', digest: digestOf(archive) };
  const { found, done, cursor } = await openCheckpoint(db, fence, made, kind);
  if (done) {
    attempt.progress.counts(call.stage, found, found);
    return { found, done };
  }
  try {
    return await new UnpackingTurn(attempt, archive, await fromOf(attempt, found, cursor)).run();
  } catch (error) {
    // The same archive will not do later either: what was unpacked of it is needed no more, and goes with the run's other remains.
    if (error instanceof ProblemError && error.problem.fault !== 'ours') await forgetFound(db, fence, kind);
    throw error;
  }
}

/** Where to go on. What was written by another attempt since the checkpoint was read is written again, the same. */
async function fromOf({ deps, call }: Attempt, found: number, cursor: unknown): Promise<From> {
  const known = cursorOf.safeParse(cursor);
  const place = known.success && known.data.entries === found ? known.data.place : undefined;
  if (place === undefined) return { after: found };
  return {
    after: found,
    place: { ...place, numbered: found, names: await namesTaken(deps, call.jobId, found) },
  };
}

/** Marks of the names of those of the first `found` entries that became pictures: no other may have one of them. */
async function namesTaken({ records }: Attempt['deps'], jobId: string, found: number): Promise<Uint8Array> {
  const marks: Uint8Array[] = [];
  for (let after: ItemPlace | undefined; ; ) {
    const page = await listItems(records.db, jobId, { stage: 'predict', limit: readAtOnce, after });
    const taken = page.map(({ ordinal, input }) =>
      ordinal <= found ? batchPicture.safeParse(input).data : undefined,
    );
    marks.push(marksOf(taken.flatMap((picture) => picture?.entry ?? [])));
    after = page.at(-1);
    if (after === undefined || page.length < readAtOnce) return Buffer.concat(marks);
  }
}

class UnpackingTurn {
  readonly #attempt: Attempt;
  readonly #archive: ArchiveSource;
  readonly #from: From;
  readonly #hands = new Lanes(writtenAtOnce);
  #found: number;
  /** Behind the last entry. */
  #place: Place | undefined;
  #items: FoundItem[] = [];
  #writing: Promise<unknown>[] = [];
  #savedAt = Date.now();
  #heldAt = Number.NEGATIVE_INFINITY;

  constructor(attempt: Attempt, archive: ArchiveSource, from: From) {
    this.#attempt = attempt;
    this.#archive = archive;
    this.#from = from;
    this.#found = from.after;
    this.#place = from.place;
  }

  async run(): Promise<Planned> {
    const { progress, call, log } = this.#attempt;
    const began = Date.now();
    if (this.#found > 0) log.line('info', `${call.stage}: on behind entry ${this.#found}`);
    try {
      for await (const entry of this.#entries()) {
        await this.#take(entry);
        if (this.#items.length < entriesAtOnce && Date.now() - this.#savedAt < savedEachMs) continue;
        await this.#save(false);
        if (Date.now() - began > turnMs) return { found: this.#found, done: false };
      }
    } finally {
      // Nobody waits for them where something else has failed.
      await Promise.allSettled(this.#writing);
    }
    if (this.#found + this.#items.length === 0)
      throw new ProblemError('empty_file', 'The archive holds no file.');
    await this.#save(true);
    progress.counts(call.stage, this.#found, this.#found);
    return { found: this.#found, done: true };
  }

  #entries(): AsyncGenerator<ArchiveEntry> {
    const { deps, signal } = this.#attempt;
    const { limits, predictions, lane } = deps.config;
    return unpack({
      name: 'The archive',
      source: rangeSource(deps.storage, this.#archive),
      format: this.#archive.format,
      limits: {
        members: limits.planRows,
        memberBytes: predictions.bytes,
        unpackedBytes: limits.archiveUnpackedBytes,
        ratio: limits.archiveRatio,
      },
      lane,
      nice: predictions.batchNice,
      from: this.#from,
      signal,
    });
  }

  /** Waits until its object is on its way. */
  async #take(entry: ArchiveEntry): Promise<void> {
    const { number: ordinal, name: entryName, place } = entry;
    this.#place = place;
    const key = String(ordinal);
    const name = shownName(entryName);
    if ('problem' in entry) {
      this.#items.push({ ordinal, key, input: { entry: name }, problem: entry.problem });
      return;
    }
    await this.#requireHeld();
    const begun = Promise.withResolvers<void>();
    const index = this.#items.push({ ordinal, key, input: {} }) - 1;
    const writing = this.#hands
      .run(() => {
        begun.resolve();
        return this.#write(ordinal, name, entry.body);
      })
      .then((input) => {
        this.#items[index] = { ordinal, key, input, needs: [input.uri] };
      });
    // Awaited with the next save; until then its failure is nobody's.
    writing.catch(begun.reject);
    this.#writing.push(writing);
    await begun.promise;
  }

  async #write(ordinal: number, entry: string, body: Buffer): Promise<BatchPicture> {
    const { deps, call, signal } = this.#attempt;
    const key = `batch-pictures/${call.jobId}/${folderOf(ordinal)}${ordinal}`;
    const {
      uri,
      etag,
      size: bytes,
    } = await deps.storage.putBytes(key, body, {
      contentType: 'application/octet-stream',
      signal,
    });
    releaseMemory(body);
    return { uri, etag, bytes, entry };
  }

  async #requireHeld(): Promise<void> {
    if (Date.now() - this.#heldAt < heldEachMs) return;
    await this.#attempt.assertHeld();
    this.#heldAt = Date.now();
  }

  async #save(done: boolean): Promise<void> {
    const { call, progress, signal } = this.#attempt;
    await Promise.all(this.#writing);
    signal.throwIfAborted();
    const items = this.#items;
    const found = this.#found + items.length;
    const checkpoint = {
      stage: call.stage,
      itemStage: 'predict',
      cursor: { entries: found, place: this.#place },
      items,
      found,
      done,
    };
    await saveFound(this.#attempt, checkpoint);
    this.#found = found;
    this.#items = [];
    this.#writing = [];
    this.#savedAt = Date.now();
    gotOn();
    progress.counts(call.stage, found, null);
    await failpoint('batch.unpacked', String(found));
  }
}

/** An entry's name as the ledger takes it: its beginning, in whole characters, without control characters, which one that was refused may have. */
export const shownName = (name: string): string =>
  name
    .slice(0, mostNameLength)
    .toWellFormed()
    .replace(/\p{Cc}/gu, '\ufffd');

const digestOf = ({ etag, bytes, format }: ArchiveSource): string =>
  createHash('sha256')
    .update(JSON.stringify([version, etag, bytes, format]))
    .digest('hex');
