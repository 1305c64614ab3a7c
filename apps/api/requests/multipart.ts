/** multipart/form-data as a stream of parts: nothing but the chunk at hand is held in memory. */
import { Readable } from 'node:stream';
import { ProblemError } from '@darkroom/contract';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { cleanPartHeaders } from './part-headers.ts';

export interface FieldPart {
  readonly kind: 'field';
  readonly name: string;
  readonly value: string;
}

export interface FilePart {
  readonly kind: 'file';
  readonly name: string;
  /** As the client sent it, directories and all, but without line breaks. */
  readonly filename: string;
  /** Fails with the problem if the body ends early. */
  readonly content: AsyncIterable<Uint8Array>;
}

export type Part = FieldPart | FilePart;

export interface MultipartLimits {
  readonly files: number;
  readonly fields: number;
  /** Bytes of the value of one field. */
  readonly fieldBytes: number;
  /** Bytes of the header of one part; what is longer is cut. */
  readonly headerBytes: number;
}

/**
 * The parts of a multipart/form-data body in the order they come. `body` is read only as fast as the contents of
 * files are (a file must be read, or the next part asked for, which discards the rest of it). Leaving the iteration stops
 * reading and leaves `body` to its owner.
 *
 * Throws ProblemError `invalid_request` (no boundary, cut off, a body that breaks), `too_many_items` (files),
 * `validation_failed` (fields).
 */
export async function* readParts(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  limits: MultipartLimits,
): AsyncGenerator<Part, void, undefined> {
  const parser = open(contentType, limits);
  const files = new Set<Readable>();
  const parts = collect(parser, files, limits);
  const stop = new AbortController();
  const fail = (error: unknown): void => {
    const problem = asProblem(error);
    parts.destroy(problem);
    for (const file of files) file.destroy(problem);
  };
  parser.on('error', fail);
  feed(cleanPartHeaders(body, contentType, limits.headerBytes), parser, stop.signal).catch(fail);
  try {
    for await (const { part, file } of parts as AsyncIterable<Received>) {
      yield part;
      file?.resume();
    }
  } finally {
    stop.abort();
  }
}

interface Received {
  readonly part: Part;
  readonly file?: Readable;
}

function open(contentType: string, limits: MultipartLimits): BusboyInstance {
  const { files, fields, fieldBytes, headerBytes } = limits;
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      preservePath: true,
      limits: { files, fields, fieldSize: fieldBytes, headerSize: headerBytes, headerPairs: 50 },
    });
  } catch (error) {
    throw new ProblemError('invalid_request', 'The Content-Type multipart/form-data needs a boundary.', {
      cause: error,
    });
  }
}

/** The parser's parts as a stream of objects; `files` holds those of its files that have not ended. */
function collect(parser: BusboyInstance, files: Set<Readable>, limits: MultipartLimits): Readable {
  const parts = new Readable({ objectMode: true, read() {} });
  const add = (received: Received): void => {
    parts.push(received);
  };
  const refuse = (problem: ProblemError) => () => parser.emit('error', problem);
  parser
    .on('field', (name, value, _nameCut, cut) => {
      if (cut) refuse(fieldProblem(name, `has more than ${limits.fieldBytes} bytes`))();
      else add({ part: { kind: 'field', name: name ?? '', value } });
    })
    .on('file', (name, file, filename) => {
      files.add(file);
      file.on('close', () => files.delete(file));
      // The parser also reports a cut body by an event on the file, which nobody may listen to yet.
      file.on('error', () => {});
      add({
        part: { kind: 'file', name: name ?? '', filename: filename ?? '', content: contentOf(file) },
        file,
      });
    })
    .on(
      'filesLimit',
      refuse(
        new ProblemError(
          'too_many_items',
          `More than ${limits.files} files in one request (LIMIT_PHOTOS_PER_TASK).`,
        ),
      ),
    )
    .on(
      'fieldsLimit',
      refuse(new ProblemError('validation_failed', `More than ${limits.fields} fields in one form.`)),
    )
    .on('finish', () => parts.push(null));
  return parts;
}

/** The bytes of a file; leaving the iteration leaves the rest to whoever asks for the next part. */
async function* contentOf(file: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* file.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw asProblem(error);
  }
}

/** Writes the body into the parser, which calls back when the files in a chunk have been read, or never once `stop` aborts. */
async function feed(
  body: AsyncIterable<Uint8Array>,
  parser: BusboyInstance,
  stop: AbortSignal,
): Promise<void> {
  let release = (): void => {};
  stop.addEventListener('abort', () => release(), { once: true });
  for await (const chunk of body) {
    if (stop.aborted) return;
    await new Promise<void>((resolve, reject) => {
      release = resolve;
      parser.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    if (stop.aborted) return;
  }
  parser.end();
}

/** ProblemError `validation_failed` about one field of a form; `what` goes on from its name. */
export function fieldProblem(name: string, what: string): ProblemError {
  const shown = name.slice(0, 100);
  return new ProblemError('validation_failed', `The field ${JSON.stringify(shown)} ${what}.`, {
    errors: [{ pointer: `/${shown}`, detail: what }],
  });
}

function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ProblemError('invalid_request', `The multipart body could not be read: ${reason}.`, {
    cause: error,
  });
}
