/**
 * The packed object of a micro-batch: what is said of its pictures, and behind it their bytes, one after the other. One object is put and
 * got where 32 would be, and the engine sees its key alone.
 *
 *     bytes 0–3   "DRP1"
 *     bytes 4–7   length of the header, unsigned, little endian
 *     header      JSON, UTF-8
 *     bodies      in the order of the header's items
 */
import { modelIdentity } from '@darkroom/contract';
import { z } from 'zod';
import { bytesOf, type NumericTensor, numericHeader } from './tensors/tensor.ts';

const magic = Buffer.from('DRP1', 'latin1');
const prefixBytes = 8;

/** What is asked of the model itself: the body is its inputs, one after the other. */
const askedInference = z.object({
  inputs: z.array(numericHeader).min(1),
  /** Names of the outputs that are wanted. */
  outputs: z.array(z.string()).min(1),
});
export type AskedInference = z.infer<typeof askedInference>;

const batchItem = z.object({
  id: z.int().min(1),
  /** ISO 8601. */
  acceptedAt: z.iso.datetime(),
  owner: z.string(),
  /** As the user named it; shown, never a path. */
  filename: z.string(),
  bytes: z.int().min(0),
  topK: z.int().min(1),
  /** Milliseconds it waited at the API before it was handed over. */
  gatherMs: z.number(),
  /** Milliseconds that somebody still waits for it when the batch is handed over. How long, and not until when: another machine's clock is another. */
  leftMs: z.number(),
  traceId: z.string().nullable(),
  /** Name by which the version was chosen, and whether as its canary. */
  alias: z.string().nullable().default(null),
  canary: z.boolean().default(false),
  /** Absent: the body is a picture. */
  inference: askedInference.optional(),
  /** Of a picture: names of outputs of the model itself that are wanted, too. */
  outputs: z.array(z.string()).optional(),
});
export type BatchItem = z.infer<typeof batchItem>;

const batchHeader = z.object({
  batch: z.string(),
  /** When it was handed over, milliseconds since 1970. */
  sentAt: z.number(),
  /** The version that all of it is predicted with. */
  model: modelIdentity,
  items: z.array(batchItem).min(1),
});
export type BatchHeader = z.infer<typeof batchHeader>;

export interface PackedBatch {
  readonly header: BatchHeader;
  /** Of each item, in its order; views into one buffer where they were unpacked. */
  readonly bodies: readonly Uint8Array[];
}

/** The object's chunks; no byte of a body is copied. */
export function packBatch({ header, bodies }: PackedBatch): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(prefixBytes);
  magic.copy(prefix);
  prefix.writeUInt32LE(json.length, magic.length);
  return [prefix, json, ...bodies];
}

/** What {@link packBatch} made. Throws RangeError for what is none: cut off, or longer than it says. */
export function unpackBatch(object: Buffer): PackedBatch {
  if (object.length < prefixBytes || !object.subarray(0, magic.length).equals(magic))
    throw new RangeError('This is no packed micro-batch.');
  let at = prefixBytes + object.readUInt32LE(magic.length);
  if (at > object.length) throw new RangeError('The packed micro-batch ends within its header.');
  const header = batchHeader.parse(JSON.parse(object.toString('utf8', prefixBytes, at)));
  const bodies = header.items.map(({ bytes }) => {
    const body = object.subarray(at, at + bytes);
    at += bytes;
    return body;
  });
  if (at !== object.length)
    throw new RangeError(`The packed micro-batch has ${object.length} bytes, and says ${at}.`);
  return { header, bodies };
}

/** The inputs that lie in a body, as views into it. Throws RangeError for a body of another length. */
export function inputsIn({ inputs }: AskedInference, body: Uint8Array): NumericTensor[] {
  let at = 0;
  const tensors = inputs.map((header) => {
    const data = body.subarray(at, at + bytesOf(header));
    at += bytesOf(header);
    return { ...header, data };
  });
  if (at !== body.length)
    throw new RangeError(`The inputs have ${at} bytes, and the body of the item ${body.length}.`);
  return tensors;
}
