/** The picture of a prediction, out of its form. */
import { ProblemError } from '@darkroom/contract';
import { safeName } from '@darkroom/storage';
import type { ApiContext } from '../../context.ts';
import type { Room } from '../../predicting/memory.ts';
import { discardBody, readWhole, requestBody } from '../../requests/body.ts';
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
export async function readPicture(
  c: ApiContext,
  mostBytes: number,
  room: Pick<Room, 'grow'>,
): Promise<SentPicture> {
  try {
    return await read(c, mostBytes, room);
  } catch (error) {
    await discardBody(c);
    throw error;
  }
}

async function read(c: ApiContext, mostBytes: number, room: Pick<Room, 'grow'>): Promise<SentPicture> {
  // Not an object: names are the sender's, `constructor` too.
  const fields = new Map<string, string[]>();
  let picture: Pick<SentPicture, 'filename' | 'bytes'> | undefined;
  const type = c.req.header('content-type') ?? '';
  for await (const part of readParts(requestBody(c), type, { ...formLimits, headerBytes: 16_384 })) {
    if (part.kind === 'field') {
      if (part.name === 'file') throw fieldProblem('file', 'has to be a file, with a filename');
      fields.set(part.name, [...(fields.get(part.name) ?? []), part.value]);
      continue;
    }
    if (part.name !== 'file')
      throw fieldProblem(part.name, 'is no field for a file; send one picture as file');
    const filename = safeName(part.filename);
    const tooLarge = (): ProblemError =>
      new ProblemError('too_large', `${filename} has more than ${mostBytes} bytes (LIMIT_PREDICTION_BYTES).`);
    const grow = (bytes: number): void => room.grow(bytes);
    picture = { filename, bytes: await readWhole(part.content, { mostBytes, tooLarge, grow }) };
  }
  if (picture === undefined) throw fieldProblem('file', 'is missing; send one picture as file');
  if (picture.bytes.length === 0) throw new ProblemError('empty_file', `${picture.filename} has no bytes.`);
  return { ...picture, fields: Object.fromEntries(fields) };
}
