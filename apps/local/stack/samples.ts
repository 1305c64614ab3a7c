import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { createStorage, StorageError } from '@darkroom/storage';
import { repository } from '../home/layout.ts';
import type { Stack } from '../home/stackfile.ts';

/** The bucket that everybody may read: the photos (under `photos/`) and the video (under `videos/`) that come with the repository. */
export const sampleBucket = 'darkroom-samples';
export const samplesFolder = join(repository, 'apps', 'local', '_samples');

const mediaTypes: Record<string, string> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.mp4': 'video/mp4',
};

export interface Sample {
  readonly name: string;
  readonly path: string;
  readonly type: string;
}

/** The samples, by name; none while the folder is absent. */
async function samples(folder: string): Promise<Sample[]> {
  if (!existsSync(folder)) return [];
  const names = (await readdir(folder)).sort();
  return names.flatMap((name) => {
    const type = mediaTypes[extname(name).toLowerCase()];
    return type ? [{ name, path: join(folder, name), type }] : [];
  });
}

export async function samplePhotos(folder = samplesFolder): Promise<Sample[]> {
  return (await samples(folder)).filter(({ type }) => type.startsWith('image/'));
}

export async function sampleVideos(folder = samplesFolder): Promise<Sample[]> {
  return (await samples(folder)).filter(({ type }) => type.startsWith('video/'));
}

/**
 * Makes the platform's bucket and that of the samples, and lets pages of `origins` use the links into them; undefined leaves the
 * rules of the buckets to whoever runs the store. Safe to repeat.
 */
export async function ensureBuckets(s3: Stack['s3'], origins: readonly string[] | undefined): Promise<void> {
  for (const bucket of [s3.bucket, sampleBucket]) {
    const storage = connect(s3, bucket);
    try {
      await storage.ensureBucket();
      if (origins !== undefined) await storage.allowOrigins(origins);
    } finally {
      storage.close();
    }
  }
}

/** Whether the store has the platform's bucket. @throws StorageError when it does not tell. */
export async function hasBucket(s3: Stack['s3']): Promise<boolean> {
  const storage = connect(s3, s3.bucket);
  try {
    await storage.ping({ deadlineMs: 10_000 });
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'source_not_found') return false;
    throw error;
  } finally {
    storage.close();
  }
}

/** Puts the samples into their bucket, those that are not there in the same size. */
export async function putSamples(s3: Stack['s3']): Promise<void> {
  const storage = connect(s3, sampleBucket);
  try {
    for (const { name, path, type } of await samples(samplesFolder)) {
      const key = `${type.startsWith('video/') ? 'videos' : 'photos'}/${name}`;
      const { size } = await stat(path);
      const present = await storage.head(key).catch(() => undefined);
      if (present?.size !== size) await storage.putBytes(key, await readFile(path), { contentType: type });
    }
  } finally {
    storage.close();
  }
}

export function connect(s3: Stack['s3'], bucket: string) {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  const given = accessKeyId === process.env.AWS_ACCESS_KEY_ID;
  return createStorage({
    sessionToken: given ? process.env.AWS_SESSION_TOKEN : undefined,
    endpoint,
    region: region || undefined,
    bucket,
    accessKeyId: accessKeyId || undefined,
    secretAccessKey: secretAccessKey || undefined,
    forcePathStyle: true,
  });
}
