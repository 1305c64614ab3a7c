/** The activities of cutouts as jobs: what gives the plan, the cutter and the manifests their records, storage, heartbeat and cancellation. */
import {
  type CutoutsOptions,
  cutoutsKind,
  cutoutsOptions,
  type Delivery,
  type Page,
  type PlannedCutouts,
  ProblemError,
} from '@darkroom/contract';
import {
  type Attempt,
  deliverResults,
  type FrameDeps,
  folderOf,
  type ItemOutcome,
  jobActivity,
  type PlanWork,
  planItems,
  publishJob,
  putFiles,
  putStream,
  removeUnnamedPacks,
  workPage,
} from '@darkroom/frame';
import { failpoint } from '@darkroom/platform';
import { type ItemRow, readPage } from '@darkroom/records';
import type { CutoutCall } from '../make/call.ts';
import type { MadeFile, MakeFile } from '../make/made.ts';
import { precedence } from '../make/precedence.ts';
import { digestOf } from '../realtime/plan.ts';
import { lastingProblem } from '../realtime/problems.ts';
import { degreesOf } from '../survey/definition/definition.ts';
import { TileFinder } from '../survey/records/finder.ts';
import { getSurvey, type Survey } from '../survey/records/surveys.ts';
import type { TileWalk } from '../walk/walk.ts';
import { type Asked, askedOf } from './list/asked.ts';
import { type CutoutRow, cutoutRow } from './list/rows.ts';
import type { CutoutTemplate } from './list/sets.ts';
import { Calls, itemOf } from './plan/calls.ts';
import { CutoutItems } from './plan/items.ts';
import { pinTiles } from './plan/pins.ts';
import { itemStage, type MadeCutout, madeBefore, recordMade } from './results/made.ts';
import { publishedManifests } from './results/manifests.ts';
import { summaryOf } from './results/summary.ts';

export type CutoutJobActivities = ReturnType<typeof cutoutJobActivities>;

/** Raised when the same list would be read as other items. */
const version = 1;

/** Cutouts of a page that are under way side by side: while one is put into the store, others are made. */
const concurrency = 8;

export function cutoutJobActivities(deps: FrameDeps, tiles: Pick<TileWalk, 'walk'>) {
  return {
    /** How many cutouts there are, and whether they are to be delivered. */
    planCutouts: jobActivity(deps, async (attempt): Promise<PlannedCutouts> => {
      const asked = await ofJob(attempt);
      const found = await planItems(attempt, listed(attempt, asked));
      return { found, delivers: asked.options.deliverTo !== undefined };
    }),

    cutCutouts: jobActivity(deps, async (attempt, page: Page) => {
      const { jobId } = attempt.call;
      const { options, sets, surveys } = await ofJob(attempt);
      const definitionOf = (name: string) => surveyNamed(surveys, name).definition;
      const calls = new Calls(deps.records.db, { jobId, sets, definitionOf });
      const inputDigest = async (item: ItemRow): Promise<string> => digestOf(await calls.callOf(item));
      await using walk = tiles.walk(upcoming(attempt, page, calls), attempt.signal);
      return await workPage<MadeCutout>(attempt, page, {
        stage: itemStage,
        lastStage: 'publish',
        concurrency,
        packsUnder: options.pack ? packsOf(jobId) : undefined,
        inputDigest,
        work: async (item, { signal, reached }) => {
          const done = await cutItem(attempt, { calls, make: walk.make }, item, signal);
          reached(itemStage);
          return done;
        },
        recordRows: recordMade,
      });
    }),

    deliverCutouts: jobActivity(deps, async (attempt): Promise<Delivery> => {
      const { options, sets } = await ofJob(attempt);
      const { deliverTo: to } = options;
      if (to === undefined) throw new TypeError('The job says nothing of where its files are to be.');
      const files = () => putFiles(attempt, manifestsOf(attempt, sets));
      return deliverResults(attempt, { to, files });
    }),

    /** `delivery`: what was delivered, with the manifests; null where nothing was. */
    publishCutouts: jobActivity(deps, async (attempt, delivery: Finished | null = null) => {
      const { options, sets } = await ofJob(attempt);
      const summary = await summaryOf(deps.records.db, attempt.call.jobId);
      return publishJob(attempt, {
        stage: itemStage,
        objects: delivery === null ? manifestsOf(attempt, sets) : [],
        written: delivery?.written ?? [],
        ...(options.pack && { tidy: () => removeUnnamedPacks(attempt, packsOf(attempt.call.jobId)) }),
        result: { summary, ...(delivery !== null && { delivered: delivery.delivered }) },
      });
    }),
  };
}

/** Where the packs of a job lie. */
const packsOf = (jobId: string): string => `${cutoutsKind.outputs(jobId)[1]}packs/`;

/** A delivery that has come to its end. */
type Finished = Extract<Delivery, { readonly written: unknown }>;

/** The manifest last, that its reader finds all the rest. */
const manifestsOf = ({ deps, call: { jobId } }: Attempt, sets: readonly CutoutTemplate[]) =>
  publishedManifests(deps.records.db, { jobId, sets }).toReversed();

interface OfJob extends Asked {
  readonly options: CutoutsOptions;
}

/** What a job asks for. Throws as `askedOf`: its owner may have lost a survey since. */
async function ofJob({ deps, job }: Attempt): Promise<OfJob> {
  const options = cutoutsOptions.parse(job.input);
  return { options, ...(await askedOf(deps.records.db, job, options)) };
}

function surveyNamed(surveys: Asked['surveys'], name: string): Survey {
  const survey = surveys.get(name);
  if (survey === undefined) throw new ProblemError('unknown_survey', `There is no survey ${name}.`);
  return survey;
}

/** How the job's list is planned. */
function listed({ deps, fence, signal }: Attempt, { options, sets, surveys }: OfJob): PlanWork<CutoutRow> {
  const { records, config } = deps;
  const { db } = records;
  const finders = new Map([...surveys.keys()].map((name) => [name, new TileFinder(db, name)]));
  const items = new CutoutItems({
    options,
    sets,
    finderOf: (name) => finders.get(name) ?? new TileFinder(db, name),
    limitsOf: (name) => {
      const { limits } = surveyNamed(surveys, name).definition;
      return {
        degrees: degreesOf(limits.size),
        pixels: limits.pixels,
        allPixels: config.cutouts.pixels,
        memoryBytes: config.cutouts.memoryBytes,
      };
    },
    pin: async (tiles) => {
      signal.throwIfAborted();
      await pinTiles(db, fence, tiles);
    },
  });
  return {
    itemStage,
    row: cutoutRow,
    version,
    // Which rows fail the job is known when all have been read.
    badRow: 'item fails',
    rowFailed: (number, value) => items.broken(number, value),
    itemsOf: (rows, aborted) => items.itemsOf(rows, aborted),
    allRead: () => items.allRead(),
    revision: async () => {
      const now = await Promise.all([...surveys.keys()].map((name) => getSurvey(db, name)));
      const indexed = now.map(
        (survey) => survey && [survey.name, survey.run, survey.state, survey.indexedAt],
      );
      // What is beyond the limits has no group: with others the same rows would lie elsewhere.
      return JSON.stringify([config.cutouts.pixels, config.cutouts.memoryBytes, indexed]);
    },
  };
}

/** Items that are read ahead of the work on them. */
const rowsAtOnce = 500;

/** What is to be made of a page, in its order, for whoever reads ahead. */
async function* upcoming(
  { deps, call: { jobId, run } }: Attempt,
  { from, to }: Page,
  calls: Calls,
): AsyncGenerator<CutoutCall> {
  for (let first = from; first < to; first += rowsAtOnce)
    for (const item of await readPage(
      deps.records.db,
      jobId,
      itemStage,
      first,
      Math.min(to, first + rowsAtOnce),
    )) {
      const hasFailed = item.state === 'failed' && item.run === run;
      const isMade = item.state === 'succeeded' || itemOf(item)?.repeats !== undefined;
      if (!hasFailed && !isMade && itemOf(item) !== undefined) yield await calls.callOf(item);
    }
}

/** One cutout: made, or where an equal one was made before, its file under a name of its own. */
async function cutItem(
  attempt: Attempt,
  { calls, make }: { readonly calls: Calls; readonly make: MakeFile },
  item: ItemRow,
  signal: AbortSignal,
): Promise<ItemOutcome<MadeCutout>> {
  const { jobId, ordinal } = item;
  const input = itemOf(item);
  if (input === undefined) throw new TypeError(`Item ${item.key} is no cutout.`);
  const call = await calls.callOf(item);
  const { name: path } = input;
  if (input.repeats !== undefined) {
    const before = await madeBefore(attempt.deps.records.db, attempt.fence, input.repeats, signal);
    const { files, facts, inputDigest } = before ?? {};
    const [file] = files ?? [];
    if (file !== undefined && facts && inputDigest === digestOf(call))
      return { objects: [], written: [{ ...file, path }], row: { jobId, ordinal, facts, seconds: 0 } };
  }
  // It stands for a cutout that takes long, or that its process dies of.
  await failpoint('cutouts.cut', item.key);
  await precedence.makeWay(signal);
  const began = performance.now();
  const made = await madeOf(make, call, signal);
  const key = `${cutoutsKind.outputs(jobId)[1]}${folderOf(ordinal)}${ordinal}.${call.request.format}`;
  const { contentType, facts } = made;
  using file = made.file;
  const row = { jobId, ordinal, facts, seconds: (performance.now() - began) / 1000 };
  const body = file.whole();
  if (body !== undefined) return { objects: [{ key, path, body, contentType }], row };
  await attempt.assertHeld();
  const written = await putStream(attempt, { key, path, pieces: file.read(), contentType });
  return { objects: [], written: [written], row };
}

/** What lasts is the item's own problem; what passes is tried again. */
async function madeOf(make: MakeFile, call: Parameters<MakeFile>[0], signal: AbortSignal): Promise<MadeFile> {
  try {
    return await make(call, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw lastingProblem(error) ?? error;
  }
}
