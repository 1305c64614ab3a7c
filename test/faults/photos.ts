/** Photos that are the same at every run: cut from the samples, mirrored, lightened. */
import { join } from 'node:path';
import type { Storage } from '@darkroom/storage';
import sharp from 'sharp';
import { samplesFolder } from '../../apps/local/stack/samples.ts';

export interface Photo {
  readonly name: string;
  readonly bytes: Buffer;
}

const originals = ['astronaut.jpg', 'cat.jpg', 'espresso.jpg', 'rocket.jpg'];

/** Photo number `n` (from 0) of the series: 400 to 640 pixels wide, cheap to work on and unlike its neighbours. */
async function photo(n: number, name: string): Promise<Photo> {
  const original = sharp(join(samplesFolder, originals[n % originals.length]!));
  const { width, height } = await original.metadata();
  const share = 0.7 + 0.05 * (n % 5);
  const cut = { width: Math.floor(width * share), height: Math.floor(height * share) };
  const bytes = await original
    .extract({
      ...cut,
      left: ((n * 37) % 100) % (width - cut.width),
      top: ((n * 53) % 100) % (height - cut.height),
    })
    .resize(400 + ((n * 40) % 280))
    .flop(n % 3 === 0)
    .modulate({ brightness: 0.9 + 0.02 * (n % 11) })
    .jpeg({ quality: 80 })
    .toBuffer();
  return { name: `${name}-${String(n + 1).padStart(3, '0')}.jpg`, bytes };
}

/** The first `count` photos of the series, called `NAME-001.jpg` and so on. */
export async function makePhotos(count: number, name = 'photo'): Promise<Photo[]> {
  const photos: Photo[] = [];
  for (let n = 0; n < count; n++) photos.push(await photo(n, name));
  return photos;
}

/** Puts photos under `prefix`, an `s3://bucket/prefix/` URI. */
export async function putPhotos(storage: Storage, prefix: string, photos: readonly Photo[]): Promise<void> {
  for (const { name, bytes } of photos)
    await storage.putBytes(`${prefix}${name}`, bytes, { contentType: 'image/jpeg' });
}
