/** What gives the core its catalogue, ledger and storage. */
import { createHash } from 'node:crypto';
import type { Page } from '@darkroom/contract';
import {
  type FrameDeps,
  folderOf,
  jobActivity,
  planItems,
  publishJob,
  workPage,
  workStage,
} from '@darkroom/frame';
import { type ItemRow, readPage } from '@darkroom/records';
import { type Position, position, stampsOptions } from './contract.ts';
import { type Extent, extend, extent, stampOf, tileOf } from './core.ts';
import { recordStamp } from './tables.ts';

export type StampsActivities = ReturnType<typeof stampsActivities>;

/** Raised when the same position would give another stamp. */
const version = 1;

/** Items read at a time where all are. */
const readAtOnce = 1000;

export function stampsActivities(deps: FrameDeps) {
  return {
    /** How many stamps there are to make; those of a catalogue are read from it, tile by tile. */
    planStamps: jobActivity(deps, async (attempt): Promise<number> => {
      const { badRow } = stampsOptions.parse(attempt.job.input);
      return planItems(attempt, {
        itemStage: 'stamp',
        row: position,
        version,
        groupOf: tileOf,
        badRow,
      });
    }),

    /** The extent of the catalogue: a stage without items. */
    measureStamps: jobActivity(deps, async (attempt): Promise<Extent> => {
      const { jobId } = attempt.call;
      return workStage(attempt, {
        digest: () => digestOf(version, 'extent'),
        result: extent,
        work: () => extentOf(deps, jobId),
      });
    }),

    makeStamps: jobActivity(deps, async (attempt, page: Page) => {
      const { bytes, keep, pageMs } = stampsOptions.parse(attempt.job.input);
      return workPage(attempt, page, {
        stage: 'stamp',
        lastStage: 'publish',
        concurrency: 16,
        budgetMs: pageMs,
        inputDigest: (item) => digestOf(version, positionOf(item), bytes),
        work: async (item, { reached }) => {
          const { jobId, ordinal } = item;
          const place = positionOf(item);
          const body = stampOf(place, bytes);
          reached('stamp');
          const path = `${folderOf(ordinal)}${ordinal}.stamp`;
          const key = `stamps/${jobId}/${path}`;
          const row = { jobId, ordinal, name: place.name, tile: tileOf(place) };
          return {
            objects: bytes === 0 ? [] : [{ key, path, body, contentType: 'application/octet-stream' }],
            ...(keep && { record: (tx) => recordStamp(tx, row) }),
          };
        },
      });
    }),

    publishStamps: jobActivity(deps, async (attempt) =>
      publishJob(attempt, { stage: 'stamp', objects: [], result: {} }),
    ),
  };
}

/** The smallest rectangle around all positions of a job, read some at a time. */
async function extentOf({ records }: FrameDeps, jobId: string): Promise<Extent> {
  let all: Extent = null;
  for (let from = 1; ; from += readAtOnce) {
    const page = await readPage(records.db, jobId, 'stamp', from, from + readAtOnce);
    for (const item of page) {
      // A row that is no position has failed already.
      if (item.state !== 'failed') all = extend(all, positionOf(item));
    }
    if (page.length < readAtOnce) return all;
  }
}

const positionOf = (item: ItemRow): Position => item.input as Position;

const digestOf = (...values: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(values)).digest('hex');
