import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { createStorage } from '@darkroom/storage';
import { repository } from './layout.ts';
import type { Stack } from './stackfile.ts';

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

/** Makes the platform's bucket and that of the samples. Safe to repeat. */
export async function ensureBuckets(s3: Stack['s3']): Promise<void> {
  for (const bucket of [s3.bucket, sampleBucket]) {
    const storage = connect(s3, bucket);
    await storage.ensureBucket().finally(() => storage.close());
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

function connect(s3: Stack['s3'], bucket: string) {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  return createStorage({
    endpoint,
    region,
    bucket,
    accessKeyId: accessKeyId || undefined,
    secretAccessKey: secretAccessKey || undefined,
    forcePathStyle: true,
  });
}
