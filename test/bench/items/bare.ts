/** What the store does with the same small objects where nothing else is done: bare PUTs and bare DeleteObjects of the same SDK. */
import { randomBytes } from 'node:crypto';
import { DeleteObjectsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { House } from './house.ts';

const keysPerRequest = 1000;

/** The SDK as somebody uses it who wants only this: its client with a socket for each request in flight, and nothing of ours around it. */
export interface Bare {
  readonly client: S3Client;
  readonly bucket: string;
}

export function openBare({ stack }: House): Bare {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = stack.stack.s3;
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: 128 } },
  });
  return { client, bucket };
}

/** Does `work` for 0 to `count` − 1, so many at a time. */
async function atOnce(width: number, count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

export interface BarePuts {
  /** Objects a second, by how many are in flight. */
  readonly perSecond: Readonly<Record<number, number>>;
  readonly keys: readonly string[];
}

/** Puts `count` objects of so many bytes at each width. */
export async function putBare(
  { client, bucket }: Bare,
  prefix: string,
  { count, bytes, widths }: { count: number; bytes: number; widths: readonly number[] },
): Promise<BarePuts> {
  const perSecond: Record<number, number> = {};
  const keys: string[] = [];
  for (const width of widths) {
    const body = randomBytes(bytes);
    const began = performance.now();
    await atOnce(width, count, async (n) => {
      const key = `${prefix}${width}/${n}.stamp`;
      const object = { Bucket: bucket, Key: key, Body: body, ContentType: 'application/octet-stream' };
      await client.send(new PutObjectCommand(object));
      keys.push(key);
    });
    perSecond[width] = (count * 1000) / (performance.now() - began);
  }
  return { perSecond, keys };
}

/** Deletes them, a thousand by a request; objects a second, by how many requests are in flight. */
export async function deleteBare(
  { client, bucket }: Bare,
  keys: readonly string[],
  widths: readonly number[],
): Promise<Record<number, number>> {
  const perSecond: Record<number, number> = {};
  const share = Math.ceil(keys.length / widths.length);
  for (const [index, width] of widths.entries()) {
    const mine = keys.slice(index * share, (index + 1) * share);
    const requests = Math.ceil(mine.length / keysPerRequest);
    const began = performance.now();
    await atOnce(width, requests, async (n) => {
      const some = mine.slice(n * keysPerRequest, (n + 1) * keysPerRequest);
      const objects = { Objects: some.map((Key) => ({ Key })), Quiet: true };
      const { Errors } = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: objects }));
      if (Errors !== undefined && Errors.length > 0) throw new Error(`Not deleted: ${Errors[0]?.Message}`);
    });
    perSecond[width] = (mine.length * 1000) / (performance.now() - began);
  }
  return perSecond;
}

export const best = (perSecond: Readonly<Record<number, number>>): number =>
  Math.max(...Object.values(perSecond));
