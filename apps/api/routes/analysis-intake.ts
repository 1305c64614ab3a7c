/** From a request's photos to a job: the row first, its objects second, the job last. What is refused or cut off leaves nothing. */
import {
  type AnalysisOptions,
  type AnalysisRequest,
  type PhotoSource,
  ProblemError,
  photoKind,
} from '@darkroom/contract';
import { type Accepted, type Dispatch, fingerprintOf } from '@darkroom/dispatch';
import type { Config, Logger } from '@darkroom/platform';
import {
  type Caller,
  createTask,
  type Db,
  findByIdempotencyKey,
  getJob,
  getUpload,
  markUploadUsed,
  type Records,
} from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import type { Part } from '../multipart.ts';
import { digestOnly, type Incoming, type Taken, takePhotos } from './analysis-photos.ts';
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
 * Stores the photos of a multipart request as they stream in and makes them a job. With an Idempotency-Key that is known already
 * nothing is stored: the body is hashed and compared. Throws ProblemError, ZodError.
 */
export async function submitPhotos(
  deps: IntakeDeps,
  call: IntakeCall,
  parts: AsyncIterable<Part>,
): Promise<Accepted> {
  const limits = deps.config.limits;
  const known = await findKnown(deps, call);
  if (known !== undefined) {
    const { options, photos } = await takePhotos(parts, limits, digestOnly);
    return sameAs(known, fingerprintOfPhotos(options, photos));
  }
  return received(deps, call, async (id) => {
    const { options, photos } = await takePhotos(parts, limits, (photo) => store(deps, call, id, photo));
    return {
      options,
      sources: photos.flatMap(({ source }) => source ?? []),
      fingerprint: fingerprintOfPhotos(options, photos),
    };
  });
}

/** Makes a job of photos that lie in S3 already, or of a completed upload. Throws ProblemError. */
export async function submitSource(
  deps: IntakeDeps,
  call: IntakeCall,
  request: AnalysisRequest,
): Promise<Accepted> {
  const { source, upload, ...options } = request;
  const fingerprint = fingerprintOf({ options, source, upload });
  const known = await findKnown(deps, call);
  if (known !== undefined) return sameAs(known, fingerprint);
  try {
    return upload === undefined
      ? await submitUri(deps, call, { options, uri: source ?? '', fingerprint })
      : await submitUpload(deps, call, { options, upload, fingerprint });
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
  { options, uri, fingerprint }: { options: AnalysisOptions; uri: string; fingerprint: string },
): Promise<Accepted> {
  const { storage, config, records } = deps;
  const { owner, group } = call.caller;
  await requireGranted(uri, { owner, groups: group === null ? [] : [group] }, config.grants, {
    bucket: storage.bucket,
    uploads: uploadsPrefix(owner),
    ownsJob: async (id) => (await getJob(records.db, id))?.job.owner === owner,
  });
  const sources = await pinSource(storage, uri, config.limits);
  return received(deps, call, async () => ({ options, sources, fingerprint }));
}

/** The upload's object is copied to where the inputs of a task lie, so that removing the task removes it and nothing else does. */
async function submitUpload(
  deps: IntakeDeps,
  call: IntakeCall,
  { options, upload, fingerprint }: { options: AnalysisOptions; upload: string; fingerprint: string },
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
  const object = await pinObject(storage, `s3://${storage.bucket}/${found.key}`, config.limits);
  const accepted = await received(
    deps,
    call,
    async (id) => {
      const key = inputKey(id, { field: 'file', segmentId: 1, filename: found.filename });
      const copied = await storage.copy(object.uri, key, { ifMatch: object.etag, signal: call.signal });
      const source = { uri: copied.uri, etag: copied.etag, bytes: copied.size, filename: found.filename };
      return { options, sources: [source], fingerprint };
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
  readonly options: AnalysisOptions;
  readonly sources: readonly PhotoSource[];
  readonly fingerprint: string;
}

/** Makes the row, lets `collect` gather what belongs to it, and makes it a job; on any failure all of it is taken back. */
async function received(
  deps: IntakeDeps,
  { caller, idempotencyKey }: IntakeCall,
  collect: (id: string) => Promise<Collected>,
  alsoRecord: (tx: Db) => Promise<void> = async () => {},
): Promise<Accepted> {
  const { dispatch } = deps;
  const { id } = await dispatch.receive(photoKind.kind, caller, { input: {} });
  try {
    const { options, sources, fingerprint } = await collect(id);
    return await dispatch.commit(id, {
      idempotencyKey,
      fingerprint,
      input: options,
      stage: 'recognise',
      items: sources.map((source, index) => ({ key: String(index + 1), input: { ...source } })),
      record: async (tx) => {
        await createTask(tx, {
          jobId: id,
          media: 'photo',
          segments: sources.length,
          scoreThreshold: options.scoreThreshold,
        });
        await alsoRecord(tx);
      },
    });
  } catch (error) {
    await dispatch.abandon(id).catch((failure: unknown) => {
      deps.logger.warn({ jobId: id, err: failure }, 'a refused upload is left to the sweep');
    });
    throw error;
  }
}

async function store(
  { storage, config }: IntakeDeps,
  { signal }: IntakeCall,
  id: string,
  photo: Incoming,
): Promise<Taken> {
  const written = await storage.uploadStream(inputKey(id, photo), photo.content, {
    contentType: photo.contentType,
    maxBytes: config.limits.uploadBytes,
    signal,
  });
  const { uri, etag, size: bytes, sha256 } = written;
  return { sha256, source: { uri, etag, bytes, filename: photo.filename } };
}

/** A photo sent alone lies right under the task; of several, each under its number, so that equal names stay apart. */
function inputKey(
  id: string,
  { field, segmentId, filename }: Pick<Incoming, 'field' | 'segmentId' | 'filename'>,
): string {
  return `${photoKind.inputs(id)}${field === 'file' ? '' : `${segmentId}/`}${filename}`;
}

function fingerprintOfPhotos(
  options: AnalysisOptions,
  photos: readonly { readonly filename: string; readonly sha256: string }[],
): string {
  return fingerprintOf({ options, files: photos.map(({ filename, sha256 }) => ({ filename, sha256 })) });
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
