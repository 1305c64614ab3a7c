/** From a request's photos or video to a job: the row first, its objects second, the job last. What is refused or cut off leaves nothing. */
import { type AnalysisOptions, type MediaSource, ProblemError, type VideoOptions } from '@darkroom/contract';
import { type Accepted, type Dispatch, fingerprintOf } from '@darkroom/dispatch';
import type { Config, Logger } from '@darkroom/platform';
import {
  type Caller,
  createTask,
  type Db,
  findByIdempotencyKey,
  getJob,
  getUpload,
  keepReceiving,
  markUploadUsed,
  type Records,
} from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import type { Part } from '../multipart.ts';
import { digestOnly, type Incoming, type Taken, type TakenRequest, takeFiles } from './analysis-files.ts';
import { kindOf, type Media, mostBytes } from './analysis-media.ts';
import { type Given, optionsOf, type SourceRequest } from './analysis-options.ts';
import { pinObject, pinSource, requireGranted } from './analysis-source.ts';
import { uploadsPrefix } from './uploads-layout.ts';

export interface IntakeDeps {
  readonly records: Records;
  readonly storage: Storage;
  readonly dispatch: Dispatch;
  readonly config: Config;
  readonly logger: Logger;
}

/** One request to analyse, whoever sends it. */
export interface IntakeCall {
  readonly caller: Caller;
  readonly idempotencyKey: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Stores the photos or the video of a multipart request as they stream in and makes them a job. With an Idempotency-Key that is known
 * already nothing is stored: the body is hashed and compared. Throws ProblemError, ZodError.
 */
export async function submitFiles(
  deps: IntakeDeps,
  call: IntakeCall,
  parts: AsyncIterable<Part>,
): Promise<Accepted> {
  const limits = deps.config.limits;
  const known = await findKnown(deps, call);
  if (known !== undefined)
    return sameAs(known, fingerprintOfFiles(await takeFiles(parts, limits, digestOnly)));
  return received(deps, call, async (open) => {
    const request = await takeFiles(parts, limits, async (file) =>
      store(deps, call, await open(file.media), file),
    );
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
  const known = await findKnown(deps, call);
  if (known !== undefined) return sameAs(known, fingerprint);
  try {
    return upload === undefined
      ? await submitUri(deps, call, { given, uri: source ?? '', fingerprint })
      : await submitUpload(deps, call, { given, upload, fingerprint });
  } catch (error) {
    // The same request beside this one may have been first, and have used the upload up.
    const first = await findKnown(deps, call);
    if (first === undefined) throw error;
    return sameAs(first, fingerprint);
  }
}

async function submitUri(
  deps: IntakeDeps,
  call: IntakeCall,
  { given, uri, fingerprint }: { given: Given; uri: string; fingerprint: string },
): Promise<Accepted> {
  const { storage, config, records } = deps;
  const { owner, group } = call.caller;
  await requireGranted(uri, { owner, groups: group === null ? [] : [group] }, config.grants, {
    bucket: storage.bucket,
    uploads: uploadsPrefix(owner),
    ownsJob: async (id) => (await getJob(records.db, id))?.job.owner === owner,
  });
  const { media, sources } = await pinSource(storage, uri, config.limits);
  const options = optionsOf(media, given);
  return received(deps, call, async () => ({ media, options, sources, fingerprint }));
}

/** The upload's object is copied to where the inputs of a task lie, so that removing the task removes it and nothing else does. */
async function submitUpload(
  deps: IntakeDeps,
  call: IntakeCall,
  { given, upload, fingerprint }: { given: Given; upload: string; fingerprint: string },
): Promise<Accepted> {
  const { storage, config, records } = deps;
  const found = await getUpload(records.db, upload);
  if (found?.owner !== call.caller.owner || found.state === 'removed') {
    throw new ProblemError('not_found', `There is no upload ${upload}.`);
  }
  if (found.state === 'used')
    throw new ProblemError('conflict', `The upload ${upload} has become a task already.`);
  if (found.state !== 'complete')
    throw new ProblemError('upload_incomplete', `The upload ${upload} is ${found.state}.`);
  const uri = `s3://${storage.bucket}/${found.key}`;
  const { media, source: object } = await pinObject(storage, uri, config.limits);
  const options = optionsOf(media, given);
  const accepted = await received(
    deps,
    call,
    async (open) => {
      const key = inputKey(await open(media), {
        media,
        field: 'file',
        segmentId: 1,
        filename: found.filename,
      });
      const copied = await storage.copy(object.uri, key, { ifMatch: object.etag, signal: call.signal });
      const source = { uri: copied.uri, etag: copied.etag, bytes: copied.size, filename: found.filename };
      return { media, options, sources: [source], fingerprint };
    },
    async (tx) => {
      if (await markUploadUsed(tx, upload)) return;
      throw new ProblemError('conflict', `The upload ${upload} has become a task already.`);
    },
  );
  await storage.remove([found.key]).catch((error: unknown) => {
    deps.logger.warn({ err: error, upload }, 'the object of a used upload is left to the sweep');
  });
  return accepted;
}

interface Collected {
  readonly media: Media;
  readonly options: AnalysisOptions | VideoOptions;
  readonly sources: readonly MediaSource[];
  readonly fingerprint: string;
}

/** Makes the row of the job, when it is known what kind of job it is; returns the id, the same one every time. */
type Open = (media: Media) => Promise<string>;

/** Lets `collect` make the row and gather what belongs to it, and makes it a job; on any failure all of it is taken back. */
async function received(
  deps: IntakeDeps,
  { caller, idempotencyKey }: IntakeCall,
  collect: (open: Open) => Promise<Collected>,
  alsoRecord: (tx: Db) => Promise<void> = async () => {},
): Promise<Accepted> {
  const { dispatch } = deps;
  let opened: string | undefined;
  const open: Open = async (media) => {
    opened ??= (await dispatch.receive(kindOf[media].kind, caller, { input: {} })).id;
    return opened;
  };
  try {
    const { media, options, sources, fingerprint } = await collect(open);
    const jobId = await open(media);
    return await dispatch.commit(jobId, {
      idempotencyKey,
      fingerprint,
      input: options,
      // A photo is a segment; the segments of a video are yet to be found in it.
      stage: media === 'video' ? 'probe' : 'recognise',
      items: sources.map((source, index) => ({ key: String(index + 1), input: { ...source } })),
      record: async (tx) => {
        const segments = media === 'video' ? 0 : sources.length;
        await createTask(tx, { jobId, media, segments, scoreThreshold: options.scoreThreshold });
        await alsoRecord(tx);
      },
    });
  } catch (error) {
    if (opened !== undefined) {
      await dispatch.abandon(opened).catch((failure: unknown) => {
        deps.logger.warn({ jobId: opened, err: failure }, 'a refused upload is left to the sweep');
      });
    }
    throw error;
  }
}

async function store(deps: IntakeDeps, { signal }: IntakeCall, id: string, file: Incoming): Promise<Taken> {
  const { storage, config } = deps;
  const written = await storage.uploadStream(inputKey(id, file), file.content, {
    contentType: file.contentType,
    maxBytes: mostBytes(file.media, config.limits),
    onProgress: keeping(deps, id),
    signal,
  });
  const { uri, etag, size: bytes, sha256 } = written;
  return { sha256, source: { uri, etag, bytes, filename: file.filename } };
}

/** Tells the records now and then that bytes still arrive: a large video may take longer than the sweep waits for one that does not. */
function keeping({ records, config, logger }: IntakeDeps, jobId: string): () => void {
  const pauseMs = (config.sweep.receivingTimeoutMinutes * 60_000) / 4;
  let kept = Date.now();
  return () => {
    if (Date.now() - kept < pauseMs) return;
    kept = Date.now();
    keepReceiving(records.db, jobId).catch((error: unknown) => {
      logger.warn({ jobId, err: error }, 'an upload that goes on could not be noted');
    });
  };
}

/** A file sent alone lies right under the task; of several, each under its number, so that equal names stay apart. */
function inputKey(
  id: string,
  { media, field, segmentId, filename }: Pick<Incoming, 'media' | 'field' | 'segmentId' | 'filename'>,
): string {
  return `${kindOf[media].inputs(id)}${field === 'file' ? '' : `${segmentId}/`}${filename}`;
}

function fingerprintOfFiles({ options, files }: TakenRequest): string {
  return fingerprintOf({ options, files: files.map(({ filename, sha256 }) => ({ filename, sha256 })) });
}

type Known = NonNullable<Awaited<ReturnType<typeof findByIdempotencyKey>>>;

async function findKnown(
  { records }: IntakeDeps,
  { caller, idempotencyKey }: IntakeCall,
): Promise<Known | undefined> {
  return idempotencyKey === undefined
    ? undefined
    : findByIdempotencyKey(records.db, caller.owner, idempotencyKey);
}

function sameAs(known: Known, fingerprint: string): Accepted {
  if (known.fingerprint === fingerprint) return { jobId: known.id, duplicate: true };
  throw new ProblemError(
    'idempotency_key_reused',
    `The key belongs to job ${known.id}, whose request was another.`,
  );
}
