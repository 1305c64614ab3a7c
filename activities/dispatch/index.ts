/** Submit, cancel, resume, remove, sweep: the only code that holds a Temporal client. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assumedOf, Estimates } from '@darkroom/estimates';
import type { Config, Logger, Telemetry } from '@darkroom/platform';
import { type Caller, confirmLostRuns, type Kinds, type Records, type UploadRow } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { cancel, remove, rerun, resume } from './control.ts';
import { connectEngine, type Engine } from './engine/engine.ts';
import { earlierSubmission, type Keyed, once } from './intake/keys.ts';
import {
  type ListSubmission,
  type ReceivedListSubmission,
  type RowsSubmission,
  submitList,
  submitReceivedList,
  submitRows,
  submitUploadedList,
  type UploadedListSubmission,
} from './intake/lists.ts';
import { abandon, arriving, type Received, receive, takeBack } from './intake/receive.ts';
import { isUploaded, mayReadSource, sourceJobOf } from './intake/sources.ts';
import { type Accepted, commit, type Submission, submit } from './intake/submit.ts';
import { completeUpload, emptyUpload, removeUpload, spendUpload } from './intake/uploads.ts';
import { Launcher } from './launch.ts';
import { Queue } from './queue/queue.ts';
import { endRun, removeObjects, removeRows, removeSome } from './removal.ts';
import { Sweep } from './sweep/pass.ts';
import { noteWaitsUnswept } from './sweep/waits.ts';

export { type MaintenanceActivities, maintenanceActivities } from './activities.ts';
export type { Engine, RunState, RunView } from './engine/engine.ts';
export { standaloneActivities, type Unit, type UnitState, type Units } from './engine/units.ts';
export { fingerprintOf } from './intake/fingerprint.ts';
export { sameAs } from './intake/keys.ts';
export { type ListContent, type RowsSubmission, requireSourceSize, sourceAs } from './intake/lists.ts';
export type { Received } from './intake/receive.ts';
export { uploadsPrefix } from './intake/sources.ts';
export type { Accepted, Submission } from './intake/submit.ts';
export type { Queue, StandingJob } from './queue/queue.ts';
export { fairnessKeyOf } from './run.ts';
export type { SweepReport } from './sweep/pass.ts';

export interface DispatchDeps {
  readonly records: Records;
  readonly storage: Storage;
  readonly config: Config;
  readonly logger: Logger;
  readonly engine: Engine;
  readonly kinds: Kinds;
  readonly estimates: Estimates;
  /** What capabilities keep in order beside jobs: run with each sweep, one after the other. */
  readonly upkeep: readonly Upkeep[];
  readonly launcher: Launcher;
  /** Makes items of large jobs ready, which takes seconds: beside the launcher, whose places are for starts. */
  readonly readying: Launcher;
}

/** Something that each sweep does beside jobs; safe to run twice at once. */
export interface Upkeep {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

export type Dispatch = ReturnType<typeof createDispatch>;

export type DispatchOptions = Pick<DispatchDeps, 'records' | 'storage' | 'config' | 'logger' | 'kinds'> &
  Partial<Pick<DispatchDeps, 'upkeep' | 'estimates'>> &
  ({ readonly engine: Engine } | { readonly engine?: undefined; readonly telemetry: Telemetry });

/** Less than a process may take to end. */
const longestSettlingMs = 5000;

/** Binds the package to its connections. Nothing is sent before the first call. */
export function createDispatch(options: DispatchOptions) {
  requireKnownKinds(options);
  const deps: DispatchDeps = {
    records: options.records,
    storage: options.storage,
    config: options.config,
    logger: options.logger,
    kinds: options.kinds,
    upkeep: options.upkeep ?? [],
    estimates: options.estimates ?? new Estimates({ ...options, assumed: assumedOf(options.kinds) }),
    launcher: new Launcher(),
    readying: new Launcher(1),
    engine: options.engine ?? connectEngine(options.config, options.logger, options.telemetry),
  };
  const sweep = new Sweep(deps);
  const settled = async (): Promise<void> => {
    // What is ready is launched then.
    await deps.readying.settled();
    await deps.launcher.settled();
  };
  return {
    engine: deps.engine,
    units: deps.engine.units,
    estimates: deps.estimates,
    queue: new Queue(deps),
    receive: (kind: string, caller: Caller, received: Received) => receive(deps, kind, caller, received),
    commit: (kind: string, id: string, submission: Submission) => commit(deps, kind, id, submission),
    abandon: (id: string) => abandon(deps, id),
    /** Takes back what a request that failed with `error` has begun. Never throws. */
    takeBack: (id: string, error: unknown) => takeBack(deps, id, error),
    /** The bytes of the received job as they arrive, of which the records are told. */
    arriving: (id: string, content: AsyncIterable<Uint8Array>) => arriving(deps, id, content),
    /** Whether the owner of a job may read its source as things are granted now. */
    mayReadSource: (owner: Pick<Caller, 'owner' | 'group'>, uri: string) => mayReadSource(deps, owner, uri),
    /** Whether an object was uploaded to the platform, which no grant of somebody else's decides. */
    isUploaded: (uri: string) => isUploaded(deps, uri),
    /** The owner's job whose inputs are among these objects. Throws `validation_failed` for inputs of several jobs. */
    sourceJobOf: (owner: string, uris: readonly string[]) => sourceJobOf(deps, owner, uris),
    earlierSubmission: (owner: string, key: string) => earlierSubmission(deps, owner, key),
    /** Makes a job by `make`, unless an earlier request with the key has. */
    once: (request: Keyed, make: () => Promise<Accepted>) => once(deps, request, make),
    submitList: (kind: string, caller: Caller, submission: ListSubmission) =>
      submitList(deps, kind, caller, submission),
    submitReceivedList: (kind: string, caller: Caller, submission: ReceivedListSubmission) =>
      submitReceivedList(deps, kind, caller, submission),
    submitUploadedList: (kind: string, caller: Caller, submission: UploadedListSubmission) =>
      submitUploadedList(deps, kind, caller, submission),
    submitRows: <Row extends object>(kind: string, caller: Caller, submission: RowsSubmission<Row>) =>
      submitRows(deps, kind, caller, submission),
    submit: (
      kind: string,
      caller: Caller,
      submission: Submission & Pick<Received, 'sourceJobId' | 'rerunOf'>,
    ) => submit(deps, kind, caller, submission),
    /** Resolves when the engine was told of all that was submitted here, or could not be told. */
    settled,
    cancel: (jobId: string, reason: string) => cancel(deps, jobId, reason),
    resume: (jobId: string) => resume(deps, jobId),
    rerun: (jobId: string, changes: Record<string, unknown>, caller: Caller, idempotencyKey?: string) =>
      rerun(deps, jobId, changes, caller, idempotencyKey),
    remove: (jobId: string) => remove(deps, jobId),
    ensureEngine: () => deps.engine.ensure(),
    /**
     * Says that the engine's runs are lost: the next sweep queues again what ran until now, however many jobs those are. For an
     * operator who knows (`npm run sweep -- --confirm-lost`), and for the embedded stack, which calls it before its API starts
     * whenever it gives Temporal a new file. `by` says who knows.
     */
    confirmLostRuns: (by: string) => confirmLostRuns(deps.records.db, by),
    /** For the API: has jobs say for which workers they wait while none serves light steps, so that no sweep runs. Ends with `signal`. */
    noteWaitsUnswept: (signal: AbortSignal) => noteWaitsUnswept(deps, signal),
    sweepOnce: (signal?: AbortSignal) => sweep.pass(signal),
    /** Starts that are under way or wait come first, for some seconds; the sweep has the others. */
    async close() {
      const patience = new AbortController();
      const late = sleep(longestSettlingMs, undefined, { signal: patience.signal }).catch(() => {});
      await Promise.race([settled(), late]);
      patience.abort();
      await deps.engine.close();
    },

    uploads: {
      /** An owner's complete upload, of which a job can be made. */
      complete: (owner: string, id: string) => completeUpload(deps, owner, id),
      /** Makes a job of an owner's complete upload, of which no other can be made. */
      spend: (owner: string, id: string, make: Parameters<typeof spendUpload>[3]) =>
        spendUpload(deps, owner, id, make),
      remove: (id: string) => removeUpload(deps, id),
      empty: (upload: Pick<UploadRow, 'id' | 'key'>) => emptyUpload(deps, upload),
    },

    /** Steps of a removal, for the activities that carry it. */
    removal: {
      endRun: (jobId: string) => endRun(deps, jobId),
      removeObjects: (jobId: string, signal?: AbortSignal) => removeObjects(deps, jobId, signal),
      removeSome: (jobId: string, turn: Parameters<typeof removeSome>[2]) => removeSome(deps, jobId, turn),
      removeRows: (jobId: string) => removeRows(deps, jobId),
    },
  };
}

/** Throws where a setting names a kind, or what a kind measures, that there is not: it would be without effect. */
function requireKnownKinds({ kinds, config }: Pick<DispatchDeps, 'kinds' | 'config'>): void {
  const measures = Object.values(kinds).flatMap(({ kind, sizes = {} }) =>
    Object.keys(sizes).map((feature) => `${kind}.${feature}`),
  );
  const settings = [
    ['RETENTION_DAYS', Object.keys(config.retention.days), Object.keys(kinds)],
    ['JOB_LIMITS', Object.keys(config.limits.jobs), measures],
  ] as const;
  for (const [setting, named, known] of settings) {
    const unknown = named.filter((name) => !known.includes(name));
    if (unknown.length > 0)
      throw new TypeError(
        `${setting} names ${unknown.join(', ')}, which there is not. There are ${known.join(', ')}.`,
      );
  }
}
