/** From a request's photos or video to a job: the row first, its objects second, the job last. What is refused or cut off leaves nothing. */

import { createTask, requireLabels } from '@darkroom/analysis';
import type { AnalysisOptions, MediaSource, VideoOptions } from '@darkroom/contract';
import {
  type Accepted,
  type Dispatch,
  fingerprintOf,
  type Submission,
  sameAs,
  uploadsPrefix,
} from '@darkroom/dispatch';
import { modelsNow, namesFor, resolveModel, servedModels } from '@darkroom/models';
import type { Config } from '@darkroom/platform';
import { type Caller, type Db, type JobRow, jobsToReadFrom, type Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { requireGranted } from '../../../requests/granted.ts';
import type { Part } from '../../../requests/multipart.ts';
import { kindOf, type Media, mostBytes } from '../media.ts';
import { digestOnly, type Incoming, type ReceivedFile, type ReceivedForm, takeFiles } from './files.ts';
import { type OptionValues, optionsOf, type SourceRequest } from './options.ts';
import { pinObject, pinSource } from './source.ts';

export interface IntakeDeps {
  readonly records: Records;
  readonly storage: Storage;
  readonly dispatch: Dispatch;
  readonly config: Config;
}

/** One request to analyse, whoever sends it. */
export interface IntakeCall {
  readonly caller: Caller;
  readonly idempotencyKey: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Stores the photos or the video of a multipart request as they stream in and makes them a job. With an Idempotency-Key that is known
 * already nothing is stored: the body is hashed and compared. Throws ZodError.
 */
export async function submitFiles(
  deps: IntakeDeps,
  call: IntakeCall,
  parts: AsyncIterable<Part>,
): Promise<Accepted> {
  const limits = deps.config.limits;
  const earlier = await findEarlier(deps, call);
  if (earlier !== undefined)
    return sameAs(earlier, fingerprintOfFiles(await takeFiles(parts, limits, digestOnly)));
  return received(deps, call, async (open, check) => {
    const request = await takeFiles(parts, limits, async (file, soFar) => {
      // Before a byte is stored, where the fields came first.
      if (file.segmentId === 1) await check(soFar);
      return store(deps, call, await open(file.media), file);
    });
    const { media, options, files } = request;
    const sources = files.flatMap(({ source }) => source ?? []);
    return { media, options, sources, fingerprint: fingerprintOfFiles(request) };
  });
}

/** Makes a job of what lies in S3 already, or of a completed upload. Throws ProblemError. */
export async function submitSource(
  deps: IntakeDeps,
  call: IntakeCall,
  { source, upload, given, canonical }: SourceRequest,
): Promise<Accepted> {
  const fingerprint = fingerprintOf({ options: canonical, source, upload });
  const { caller, idempotencyKey } = call;
  return deps.dispatch.once({ owner: caller.owner, idempotencyKey, fingerprint }, () =>
    upload === undefined
      ? submitUri(deps, call, { given, uri: source ?? '', fingerprint })
      : submitUpload(deps, call, { given, upload, fingerprint }),
  );
}

async function submitUri(
  deps: IntakeDeps,
  call: IntakeCall,
  { given, uri, fingerprint }: { given: OptionValues; uri: string; fingerprint: string },
): Promise<Accepted> {
  const { storage, config, records, dispatch } = deps;
  const { owner, group } = call.caller;
  await requireGranted(uri, { owner, groups: group === null ? [] : [group] }, config.grants, {
    bucket: storage.bucket,
    uploads: uploadsPrefix(owner),
    ownsJob: async (id) => (await jobsToReadFrom(records.db, owner, [id])).length > 0,
  });
  const { media, sources } = await pinSource(storage, uri, config.limits);
  const options = optionsOf(media, given);
  const sourceJobId = await dispatch.sourceJobOf(
    owner,
    sources.map((source) => source.uri),
  );
  return received(deps, call, async () => ({ media, options, sources, fingerprint, sourceJobId }));
}

function submitUpload(
  deps: IntakeDeps,
  call: IntakeCall,
  { given, upload, fingerprint }: { given: OptionValues; upload: string; fingerprint: string },
): Promise<Accepted> {
  const { storage, config, dispatch } = deps;
  return dispatch.uploads.spend(call.caller.owner, upload, async ({ key, filename }, use) => {
    const uri = `s3://${storage.bucket}/${key}`;
    const { media, source: object } = await pinObject(storage, uri, config.limits);
    const options = optionsOf(media, given);
    const copyTo = async (open: Open, check: Check): Promise<Collected> => {
      // Before a byte is copied.
      await check(options);
      const target = inputKey(await open(media), { media, field: 'file', segmentId: 1, filename });
      const copied = await storage.copy(object.uri, target, { ifMatch: object.etag, signal: call.signal });
      const source = { uri: copied.uri, etag: copied.etag, bytes: copied.size, filename };
      return { media, options, sources: [source], fingerprint };
    };
    return received(deps, call, copyTo, use);
  });
}

interface Collected {
  readonly media: Media;
  readonly options: AnalysisOptions | VideoOptions;
  readonly sources: readonly MediaSource[];
  readonly fingerprint: string;
  /** The job whose inputs the sources are, where they are another's. */
  readonly sourceJobId?: string | undefined;
}

/** Makes the row of the job, when it is known what kind of job it is; returns the id, the same one every time. */
type Open = (media: Media) => Promise<string>;

/** See {@link requireKnown}; asked again of the same it does nothing. */
type Check = (options: AnalysisOptions) => Promise<void>;

/** Lets `collect` make the row where there are objects to hang on it, and gather what belongs to it, and makes it a job; on any failure all of it is taken back. */
async function received(
  deps: IntakeDeps,
  { caller, idempotencyKey }: IntakeCall,
  collect: (open: Open, check: Check) => Promise<Collected>,
  alsoRecord: (tx: Db) => Promise<void> = async () => {},
): Promise<Accepted> {
  const { dispatch } = deps;
  let opened: string | undefined;
  const open: Open = async (media) => {
    opened ??= (await dispatch.receive(kindOf[media].kind, caller, { input: {} })).id;
    return opened;
  };
  let checked: string | undefined;
  const check: Check = async (options) => {
    const asked = JSON.stringify([options.model, options.labels, options.thresholds]);
    if (asked !== checked) await requireKnown(deps, options);
    checked = asked;
  };
  try {
    const { media, options, sources, fingerprint, sourceJobId } = await collect(open, check);
    await check(options);
    const submission: Submission = {
      idempotencyKey,
      fingerprint,
      input: options,
      // A photo is a segment; the segments of a video are yet to be found in it.
      ...(media === 'video'
        ? { stage: 'probe', stageInput: sources[0], items: [] }
        : {
            stage: 'recognise',
            items: sources.map((source, index) => ({ key: String(index + 1), input: { ...source } })),
          }),
      record: async (tx, jobId) => {
        const segments = media === 'video' ? 0 : sources.length;
        await createTask(tx, { jobId, media, segments, scoreThreshold: options.scoreThreshold });
        await alsoRecord(tx);
      },
    };
    return opened === undefined
      ? await dispatch.submit(kindOf[media].kind, caller, { ...submission, sourceJobId })
      : await dispatch.commit(kindOf[media].kind, opened, submission);
  } catch (error) {
    if (opened !== undefined) await dispatch.takeBack(opened, error);
    throw error;
  }
}

/**
 * Throws `unknown_model` and `model_not_ready` for what `model` names and no job could get, and `unknown_label` for what the version has not, nor
 * its canary. While no model is known, the job itself will say so: the first worker that takes it.
 */
async function requireKnown({ records: { db } }: IntakeDeps, options: AnalysisOptions): Promise<void> {
  const { model, labels, thresholds = {} } = options;
  const hasLabels = labels.length > 0 || Object.keys(thresholds).length > 0;
  if (model === 'default' && !hasLabels) return;
  const now = await modelsNow(db);
  if (namesFor(now, 'recognition').length === 0) return;
  const meant = [1, 0].map((drawn) => resolveModel(now, 'recognition', model, () => drawn)?.model.digest);
  if (!hasLabels) return;
  const served = await servedModels(db);
  requireLabels(
    options,
    served.filter(({ digest }) => meant.includes(digest)),
  );
}

async function store(
  deps: IntakeDeps,
  { signal }: IntakeCall,
  id: string,
  file: Incoming,
): Promise<ReceivedFile> {
  const { storage, config, dispatch } = deps;
  const written = await storage.uploadStream(inputKey(id, file), dispatch.arriving(id, file.content), {
    contentType: file.contentType,
    maxBytes: mostBytes(file.media, config.limits),
    signal,
  });
  const { uri, etag, size: bytes, sha256 } = written;
  return { sha256, source: { uri, etag, bytes, filename: file.filename } };
}

/** A file sent alone lies right under the task; of several, each under its number, so that equal names stay apart. */
function inputKey(
  id: string,
  { media, field, segmentId, filename }: Pick<Incoming, 'media' | 'field' | 'segmentId' | 'filename'>,
): string {
  return `${kindOf[media].inputs(id)}${field === 'file' ? '' : `${segmentId}/`}${filename}`;
}

function fingerprintOfFiles({ options, files }: ReceivedForm): string {
  return fingerprintOf({ options, files: files.map(({ filename, sha256 }) => ({ filename, sha256 })) });
}

async function findEarlier(
  { dispatch }: IntakeDeps,
  { caller, idempotencyKey }: IntakeCall,
): Promise<JobRow | undefined> {
  return idempotencyKey === undefined ? undefined : dispatch.earlierSubmission(caller.owner, idempotencyKey);
}
