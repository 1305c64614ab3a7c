/** The picture of a prediction, out of its form. */
import { ProblemError } from '@darkroom/contract';
import { safeName } from '@darkroom/storage';
import type { ApiContext } from '../../context.ts';
import { discardBody, requestBody } from '../../requests/body.ts';
import { fieldProblem, readParts } from '../../requests/multipart.ts';

export interface SentPicture {
  readonly filename: string;
  readonly bytes: Buffer;
  /** Fields that the form has beside it. */
  readonly fields: Readonly<Record<string, string[]>>;
}

const formLimits = { files: 1, fields: 10, fieldBytes: 1000 };

/**
 * Reads the form whole: a picture of up to `mostBytes` as the field `file`. A form that is refused is taken off the wire, so that its sender
 * reads why. Throws ProblemError `validation_failed`, `too_large`, `empty_file`, and what `readParts` throws.
 */
export async function readPicture(c: ApiContext, mostBytes: number): Promise<SentPicture> {
  try {
    return await read(c, mostBytes);
  } catch (error) {
    await discardBody(c);
    throw error;
  }
}

async function read(c: ApiContext, mostBytes: number): Promise<SentPicture> {
  const fields: Record<string, string[]> = {};
  let picture: Pick<SentPicture, 'filename' | 'bytes'> | undefined;
  const type = c.req.header('content-type') ?? '';
  for await (const part of readParts(requestBody(c), type, { ...formLimits, headerBytes: 16_384 })) {
    if (part.kind === 'field') {
      if (part.name === 'file') throw fieldProblem('file', 'has to be a file, with a filename');
      fields[part.name] = [...(fields[part.name] ?? []), part.value];
      continue;
    }
    if (part.name !== 'file')
      throw fieldProblem(part.name, 'is no field for a file; send one picture as file');
    const filename = safeName(part.filename);
    picture = { filename, bytes: await whole(part.content, filename, mostBytes) };
  }
  if (picture === undefined) throw fieldProblem('file', 'is missing; send one picture as file');
  if (picture.bytes.length === 0) throw new ProblemError('empty_file', `${picture.filename} has no bytes.`);
  return { ...picture, fields };
}

async function whole(content: AsyncIterable<Uint8Array>, filename: string, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > most)
      throw new ProblemError(
        'too_large',
        `${filename} has more than ${most} bytes (LIMIT_PREDICTION_BYTES).`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
