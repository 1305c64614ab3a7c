/** Takes the photos of a multipart request one after the other, as they stream in. */
import { createHash } from 'node:crypto';
import { type AnalysisOptions, type PhotoSource, ProblemError } from '@darkroom/contract';
import { safeName } from '@darkroom/storage';
import type { Part } from '../multipart.ts';
import { AnalysisForm, fieldProblem } from './analysis-form.ts';
import { HEAD_BYTES, requirePhoto } from './analysis-media.ts';

/** A photo on its way in. */
export interface Incoming {
  /** From 1, in the order of the parts. */
  readonly segmentId: number;
  /** Safe as the last segment of a key. */
  readonly filename: string;
  /** The field it came in: `file` is one photo, `files` one of several, even when it is alone. */
  readonly field: 'file' | 'files';
  readonly contentType: string;
  /** Fails with `too_large` at the first byte over the limit. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** What became of it; `source` is absent where the bytes were hashed only. */
export interface Taken {
  readonly sha256: string;
  readonly source?: PhotoSource;
}

export interface TakenRequest {
  readonly options: AnalysisOptions;
  readonly photos: readonly (Taken & { readonly filename: string })[];
}

/**
 * Reads a whole multipart request; `take` gets each photo's bytes and must read all of them. Fields may come before or after
 * the photos. Throws ProblemError for what the list of bad input names, ZodError for a wrong option.
 */
export async function takePhotos(
  parts: AsyncIterable<Part>,
  limits: { readonly uploadBytes: number },
  take: (photo: Incoming) => Promise<Taken>,
): Promise<TakenRequest> {
  const form = new AnalysisForm();
  const photos: (Taken & { filename: string })[] = [];
  let field: 'file' | 'files' | undefined;
  for await (const part of parts) {
    if (part.kind === 'field') {
      if (isPhotoField(part.name)) throw fieldProblem(part.name, 'has to be a file, with a filename');
      form.add(part.name, part.value);
      continue;
    }
    field = photoField(part.name, field);
    const filename = safeName(part.filename);
    const [head, content] = await peek(atMost(part.content, limits.uploadBytes, filename), HEAD_BYTES);
    const contentType = requirePhoto(head, filename);
    const segmentId = photos.length + 1;
    photos.push({ filename, ...(await take({ segmentId, filename, field, contentType, content })) });
  }
  if (photos.length === 0)
    throw fieldProblem('file', 'is missing; send one photo as file, or several as files');
  return { options: form.options(), photos };
}

/** SHA-256 in hex of a photo that is not to be kept. */
export async function digestOnly({ content }: Incoming): Promise<Taken> {
  const hash = createHash('sha256');
  for await (const chunk of content) hash.update(chunk);
  return { sha256: hash.digest('hex') };
}

const isPhotoField = (name: string): name is 'file' | 'files' => name === 'file' || name === 'files';

function photoField(name: string, before: 'file' | 'files' | undefined): 'file' | 'files' {
  if (!isPhotoField(name))
    throw fieldProblem(name, 'is no field for a file; send one photo as file, or several as files');
  if (before === 'file')
    throw fieldProblem(name, 'comes after file, which stands for one photo; send several as files');
  if (before === 'files' && name === 'file') throw fieldProblem(name, 'cannot be mixed with files');
  return name;
}

async function* atMost(
  content: AsyncIterable<Uint8Array>,
  limit: number,
  filename: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > limit) {
      throw new ProblemError('too_large', `${filename} has more than ${limit} bytes (LIMIT_UPLOAD_BYTES).`);
    }
    yield chunk;
  }
}

/** The first `length` bytes (fewer if there are no more), and the whole content with them. */
async function peek(
  content: AsyncGenerator<Uint8Array, void, undefined>,
  length: number,
): Promise<[Buffer, AsyncIterable<Uint8Array>]> {
  const held: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < length) {
    const step = await content.next();
    if (step.done === true) break;
    held.push(step.value);
    bytes += step.value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* held;
    held.length = 0;
    yield* content;
  }
  return [Buffer.concat(held).subarray(0, length), whole()];
}
