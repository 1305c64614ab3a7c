/** Takes the files of a multipart request one after the other, as they stream in: one photo or video, or several photos. */
import { createHash } from 'node:crypto';
import { type AnalysisOptions, type MediaSource, ProblemError, type VideoOptions } from '@darkroom/contract';
import { safeName } from '@darkroom/storage';
import { fieldProblem, type Part } from '../../../requests/multipart.ts';
import { HEAD_BYTES, type Media, type MediaLimits, mediumOf, mostBytes, tooLarge } from '../media.ts';
import { AnalysisForm } from './form.ts';

/** A file on its way in. */
export interface Incoming {
  readonly media: Media;
  /** From 1, in the order of the parts. */
  readonly segmentId: number;
  /** Safe as the last segment of a key. */
  readonly filename: string;
  /** The field it came in: `file` is one photo or video, `files` one of several photos, even when it is alone. */
  readonly field: 'file' | 'files';
  readonly contentType: string;
  /** Fails with `too_large` at the first byte over the limit. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** What became of it; `source` is absent where the bytes were hashed only. */
export interface ReceivedFile {
  readonly sha256: string;
  readonly source?: MediaSource;
}

export interface ReceivedForm {
  readonly media: Media;
  readonly options: AnalysisOptions | VideoOptions;
  readonly files: readonly (ReceivedFile & { readonly filename: string })[];
}

/**
 * Reads a whole multipart request; `take` gets each file's bytes, with the options so far, and must read all of them. Fields may come before or after the files;
 * what is wrong with those before is said before a file is taken. Throws ProblemError, ZodError for a wrong option.
 */
export async function takeFiles(
  parts: AsyncIterable<Part>,
  limits: MediaLimits,
  take: (file: Incoming, options: AnalysisOptions | VideoOptions) => Promise<ReceivedFile>,
): Promise<ReceivedForm> {
  const form = new AnalysisForm();
  const files: (ReceivedFile & { filename: string })[] = [];
  let field: Incoming['field'] | undefined;
  let media: Media | undefined;
  for await (const part of parts) {
    if (part.kind === 'field') {
      // Forms send what was left blank, a file without one too.
      if (!isFileField(part.name)) form.add(part.name, part.value);
      else if (part.value !== '') throw fieldProblem(part.name, 'has to be a file, with a filename');
      continue;
    }
    field = fileField(part.name, field);
    const filename = safeName(part.filename);
    const [head, whole] = await peek(part.content, HEAD_BYTES);
    const medium = mediumOf(head, filename);
    if (medium.media === 'video' && field === 'files') {
      throw new ProblemError(
        'video_among_photos',
        `${filename} is a video, and files are photos; send it as file.`,
      );
    }
    media = medium.media;
    const soFar = form.options(media);
    const content = atMost(whole, mostBytes(media, limits), tooLarge(filename, media, limits));
    const segmentId = files.length + 1;
    files.push({ filename, ...(await take({ ...medium, segmentId, filename, field, content }, soFar)) });
  }
  if (media === undefined) throw fieldProblem('file', `is missing; ${what}`);
  return { media, options: form.options(media), files };
}

const what = 'send one photo or video as file, or several photos as files';

/** SHA-256 in hex of a file that is not to be kept. */
export async function digestOnly({ content }: Incoming): Promise<ReceivedFile> {
  const hash = createHash('sha256');
  for await (const chunk of content) hash.update(chunk);
  return { sha256: hash.digest('hex') };
}

const isFileField = (name: string): name is 'file' | 'files' => name === 'file' || name === 'files';

function fileField(name: string, before: Incoming['field'] | undefined): Incoming['field'] {
  if (!isFileField(name)) throw fieldProblem(name, `is no field for a file; ${what}`);
  if (before === 'file')
    throw fieldProblem(
      name,
      'comes after file, which stands for one photo or video; send several photos as files',
    );
  if (before === 'files' && name === 'file') throw fieldProblem(name, 'cannot be mixed with files');
  return name;
}

async function* atMost(
  content: AsyncIterable<Uint8Array>,
  limit: number,
  problem: ProblemError,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > limit) throw problem;
    yield chunk;
  }
}

/** The first `length` bytes (fewer if there are no more), and the whole content with them. */
async function peek(
  content: AsyncIterable<Uint8Array>,
  length: number,
): Promise<[Buffer, AsyncIterable<Uint8Array>]> {
  const rest = content[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < length) {
    const step = await rest.next();
    if (step.done === true) break;
    held.push(step.value);
    bytes += step.value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* held;
    held.length = 0;
    yield* { [Symbol.asyncIterator]: () => rest };
  }
  return [Buffer.concat(held).subarray(0, length), whole()];
}
