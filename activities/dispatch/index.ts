/** Submit, cancel, resume, remove, sweep: the only code that holds a Temporal client. */
import { kinds as allKinds, type Kinds } from '@darkroom/contract';
import type { Config, Logger, Telemetry } from '@darkroom/platform';
import type { Caller, Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { cancel, remove, rerun, resume } from './control.ts';
import { connectEngine, type Engine } from './engine.ts';
import { OrphanSweep } from './orphans.ts';
import { endRun, removeObjects, removeRows } from './removal.ts';
import { abandon, commit, type Received, receive, type Submission } from './submit.ts';
import { sweepOnce } from './sweep.ts';

export type { Engine, RunState } from './engine.ts';
export { fingerprintOf } from './fingerprint.ts';
export type { Accepted, Received, Submission } from './submit.ts';
export type { SweepReport } from './sweep.ts';

export interface DispatchDeps {
  readonly records: Records;
  readonly storage: Storage;
  readonly config: Config;
  readonly logger: Logger;
  readonly engine: Engine;
  readonly kinds: Kinds;
  readonly orphans: OrphanSweep;
}

export type Dispatch = ReturnType<typeof createDispatch>;

export type DispatchOptions = Pick<DispatchDeps, 'records' | 'storage' | 'config' | 'logger'> & {
  readonly kinds?: Kinds;
} & ({ readonly engine: Engine } | { readonly engine?: undefined; readonly telemetry: Telemetry });

/** Binds the package to its connections. Nothing is sent before the first call. */
export function createDispatch(options: DispatchOptions) {
  const kinds = options.kinds ?? allKinds;
  const deps: DispatchDeps = {
    records: options.records,
    storage: options.storage,
    config: options.config,
    logger: options.logger,
    kinds,
    orphans: new OrphanSweep(options.records.db, options.storage, kinds),
    engine: options.engine ?? connectEngine(options.config, options.logger, options.telemetry),
  };
  return {
    engine: deps.engine,
    receive: (kind: string, caller: Caller, received: Received) => receive(deps, kind, caller, received),
    commit: (id: string, submission: Submission) => commit(deps, id, submission),
    abandon: (id: string) => abandon(deps, id),
    async submit(
      kind: string,
      caller: Caller,
      submission: Submission & Pick<Received, 'sourceJobId' | 'rerunOf'>,
    ) {
      const { sourceJobId, rerunOf, ...rest } = submission;
      const { id } = await receive(deps, kind, caller, {
        input: rest.input,
        ...(sourceJobId !== undefined && { sourceJobId }),
        ...(rerunOf !== undefined && { rerunOf }),
      });
      return commit(deps, id, rest);
    },
    cancel: (jobId: string, reason: string) => cancel(deps, jobId, reason),
    resume: (jobId: string) => resume(deps, jobId),
    rerun: (jobId: string, changes: Record<string, unknown>, caller: Caller, idempotencyKey?: string) =>
      rerun(deps, jobId, changes, caller, idempotencyKey),
    remove: (jobId: string) => remove(deps, jobId),
    ensureEngine: () => deps.engine.ensure(),
    sweepOnce: (beat?: () => void) => sweepOnce(deps, beat),
    close: () => deps.engine.close(),

    /** Steps of a removal, for the activities that carry it. */
    removal: {
      endRun: (jobId: string, beat: () => void) => endRun(deps, jobId, beat),
      removeObjects: (jobId: string) => removeObjects(deps, jobId),
      removeRows: (jobId: string) => removeRows(deps, jobId),
    },
  };
}

/** What the workflows of maintenance call; the worker's light queue carries them. */
export interface MaintenanceActivities {
  sweepOnce(): Promise<void>;
  /** Asks the engine to cancel the run of a job; one that has ended is fine. */
  cancelRun(jobId: string, reason: string): Promise<void>;
  endRun(jobId: string): Promise<void>;
  removeObjects(jobId: string): Promise<void>;
  removeRows(jobId: string): Promise<void>;
}
