import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { createStorage } from '@darkroom/storage';
import { repository } from './layout.ts';
import type { Stack } from './stackfile.ts';

/** The bucket that everybody may read: the photos that come with the repository. */
export const sampleBucket = 'darkroom-samples';
export const samplesFolder = join(repository, 'apps', 'local', '_samples');

const mediaTypes: Record<string, string> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
};

/** The sample photos, by name; none while the folder is absent. */
export async function samplePhotos(
  folder = samplesFolder,
): Promise<{ name: string; path: string; type: string }[]> {
  if (!existsSync(folder)) return [];
  const names = (await readdir(folder)).sort();
  return names.flatMap((name) => {
    const type = mediaTypes[extname(name).toLowerCase()];
    return type ? [{ name, path: join(folder, name), type }] : [];
  });
}

/** Makes the platform's bucket and that of the samples. Safe to repeat. */
export async function ensureBuckets(s3: Stack['s3']): Promise<void> {
  for (const bucket of [s3.bucket, sampleBucket]) {
    const storage = connect(s3, bucket);
    await storage.ensureBucket().finally(() => storage.close());
  }
}

/** Puts the sample photos into their bucket, those that are not there in the same size. */
export async function putSamples(s3: Stack['s3']): Promise<void> {
  const storage = connect(s3, sampleBucket);
  try {
    for (const photo of await samplePhotos()) {
      const { size } = await stat(photo.path);
      const present = await storage.head(photo.name).catch(() => undefined);
      if (present?.size !== size)
        await storage.putBytes(photo.name, await readFile(photo.path), { contentType: photo.type });
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
