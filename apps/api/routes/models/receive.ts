/** A model file on its way into the registry: looked at as it comes in, kept under its content, registered. */
import { ProblemError } from '@darkroom/contract';
import {
  incomingModelsPrefix,
  modelObject,
  type NewVersion,
  type RegisteredVersion,
  registerVersion,
} from '@darkroom/models';
import type { ModelCard } from '@darkroom/recognition/model/card/card.ts';
import { digestOfBoth } from '@darkroom/recognition/model/digest.ts';
import { refuseForeignModel } from '@darkroom/recognition/model/foreign.ts';
import { ExternalDataScan } from '@darkroom/recognition/model/onnx/external-data.ts';
import { beginsAsOnnx } from '@darkroom/recognition/model/onnx/onnx.ts';
import type { Records } from '@darkroom/records';
import { type Storage, StorageError } from '@darkroom/storage';
import { v7 as uuid7 } from 'uuid';

/** Of a file, what tells whether it may be ONNX. */
const headBytes = 65_536;
/** A file that was put is gone only where it is removed at that moment, as the last version that had it went. */
const tries = 3;

export interface ModelStore {
  readonly records: Pick<Records, 'db'>;
  readonly storage: Pick<Storage, 'uploadStream' | 'copy' | 'head' | 'remove'>;
}

/** A file that was received, until it is discarded. */
export interface IncomingModel {
  readonly uri: string;
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * Stores a file under a name of its own as it comes in. Throws before anything is stored `empty_file` and `invalid_model`, with the way to convert
 * what is of another framework; as it comes in, `invalid_model` for one whose weights lie beside it, and `too_large` beyond `mostBytes`.
 */
export async function receiveModel(
  { storage }: ModelStore,
  content: AsyncIterable<Uint8Array>,
  {
    filename,
    mostBytes,
    signal,
  }: { readonly filename: string; readonly mostBytes: number; readonly signal: AbortSignal },
): Promise<IncomingModel> {
  const chunks = content[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  for (let bytes = 0; bytes < headBytes; ) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    head.push(value);
    bytes += value.length;
  }
  requireOnnx(filename, Buffer.concat(head));
  try {
    const { uri, sha256, size } = await storage.uploadStream(
      `${incomingModelsPrefix}${uuid7()}`,
      wholeOnly(filename, joined(head, chunks)),
      { contentType: 'application/octet-stream', maxBytes: mostBytes, signal },
    );
    return { uri, sha256, bytes: size };
  } catch (error) {
    if (error instanceof StorageError && error.code === 'too_large') throw tooLarge(filename, mostBytes);
    throw error;
  }
}

export const tooLarge = (filename: string, most: number): ProblemError =>
  new ProblemError('too_large', `${filename} has more than ${most} bytes (LIMIT_MODEL_BYTES).`);

/** Removes what {@link receiveModel} stored; what fails is left to the sweep. */
export async function discardModel({ storage }: ModelStore, { uri }: IncomingModel): Promise<void> {
  // Nobody else knows its name.
  await storage.remove([uri], { assertHeld: async () => {} }).catch(() => {});
}

export interface Wanted extends Pick<NewVersion, 'name' | 'version' | 'serves' | 'by'> {
  /** With the name and version that it is registered under. */
  readonly card: ModelCard;
}

/** Registers a file that was received, under its content: equal files lie there once. Whether it is new. Throws `model_version_exists`. */
export async function registerFile(
  { records, storage }: ModelStore,
  { uri, sha256, bytes }: IncomingModel,
  { card, ...wanted }: Wanted,
  signal: AbortSignal,
): Promise<{ readonly isNew: boolean; readonly row: RegisteredVersion }> {
  const object = modelObject(sha256);
  const version = { ...wanted, card: { ...card }, digest: digestOfBoth(sha256, card), sha256, bytes, object };
  const isStored = () =>
    storage.head(object, { signal: AbortSignal.timeout(5000) }).then(
      ({ size }) => size === bytes,
      (error: unknown) => {
        if (error instanceof StorageError && error.code === 'source_not_found') return false;
        throw error;
      },
    );
  for (let tried = 0; tried < tries; tried++) {
    const registered = await registerVersion(records.db, version, isStored);
    if (registered.outcome !== 'absent')
      return { isNew: registered.outcome === 'registered', row: registered.row };
    await storage.copy(uri, object, { signal });
  }
  throw new ProblemError('storage_unavailable', `${object} was removed each time it was put.`);
}

function requireOnnx(filename: string, head: Buffer): void {
  if (head.length === 0) throw new ProblemError('empty_file', `${filename} has no bytes.`);
  try {
    refuseForeignModel(filename, head);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw new ProblemError('invalid_model', error.message);
  }
  if (!beginsAsOnnx(head)) throw new ProblemError('invalid_model', `${filename} is not an ONNX model.`);
}

/** A file passes, unless weights of it lie in another one: no worker would have that. */
async function* wholeOnly(filename: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const scan = new ExternalDataScan();
  for await (const chunk of content) {
    scan.push(chunk);
    if (scan.found !== undefined)
      throw new ProblemError(
        'invalid_model',
        `${filename} has weights in a file beside it (${scan.found.slice(0, 100)}), and a version is one file. Save it as one: python -c "import onnx; onnx.save(onnx.load('model.onnx'), 'whole.onnx')"`,
      );
    yield chunk;
  }
}

async function* joined(
  head: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* head;
  for (;;) {
    const { done, value } = await rest.next();
    if (done === true) return;
    yield value;
  }
}
