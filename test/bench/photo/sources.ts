/**
 * The photos a benchmark works on: cut-outs of the samples in the sizes of everyday pictures, with the noise that
 * makes a real photo as hard to decode as it is. The same index gives the same photo.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Storage } from '@darkroom/storage';
import sharp from 'sharp';
import { homeFolder } from '../../../apps/local/home/layout.ts';
import { samplesFolder } from '../../../apps/local/stack/samples.ts';

/** Raised when the photos change, so that old ones are not taken for new ones. */
const version = 1;
const samples = ['astronaut', 'cat', 'four', 'espresso', 'rocket', 'deep-field'];
/** Largest change of a channel by noise: what a phone's camera leaves in good light. */
const noise = 5;

/** Of one kind of photos. */
interface PhotoSet {
  /** Of their folder. */
  readonly name: string;
  readonly sizes: readonly Size[];
}
interface Size {
  readonly width: number;
  readonly height: number;
}

const everyday: PhotoSet = {
  name: 'photos',
  sizes: [
    { width: 1280, height: 960 },
    { width: 1440, height: 1080 },
    { width: 1600, height: 1200 },
    { width: 1920, height: 1080 },
  ],
};
/** As a client sends them that has made them small. */
export const megapixel: PhotoSet = {
  name: 'megapixel',
  sizes: [
    { width: 1024, height: 1024 },
    { width: 1152, height: 864 },
    { width: 1280, height: 800 },
    { width: 864, height: 1152 },
  ],
};

/** What the photos are, in words. */
export const mix =
  'JPEG (quality 88, 4:2:0) of 1280 × 960, 1440 × 1080, 1600 × 1200 and 1920 × 1080 in turn (1.2 to 2.1 MP, ' +
  `${(everyday.sizes.reduce((sum, { width, height }) => sum + width * height, 0) / everyday.sizes.length / 1e6).toFixed(1)} MP on average), ` +
  'every fifth turned by EXIF orientation, cut from six sample photos, with noise';

/** Puts photos 1 to `count` under `prefix` (it ends in a slash); they are kept on disk for the next time. Returns their bytes in sum. */
export async function putPhotos(storage: Storage, prefix: string, count: number): Promise<number> {
  let bytes = 0;
  for (const file of await photoFiles(everyday, count)) {
    const body = await readFile(file);
    await storage.putBytes(prefix + basename(file), body, { contentType: 'image/jpeg' });
    bytes += body.length;
  }
  return bytes;
}

/** Photos 1 to `count` of a kind, as files that are kept for the next time. */
export async function photoFiles({ name, sizes }: PhotoSet, count: number): Promise<string[]> {
  const folder = join(homeFolder(), 'bench', `${name}-${version}`);
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (let index = 1; index <= count; index++) {
    const file = join(folder, `photo-${String(index).padStart(4, '0')}.jpg`);
    if (!existsSync(file)) {
      await writeFile(`${file}.part`, await makePhoto(index, sizes));
      await rename(`${file}.part`, file);
    }
    files.push(file);
  }
  return files;
}

async function makePhoto(index: number, sizes: readonly Size[]): Promise<Buffer> {
  const random = seeded(index);
  const sample = join(samplesFolder, `${samples[index % samples.length]}.jpg`);
  const size = sizes[index % sizes.length];
  const { width, height } = await sharp(sample).metadata();
  const share = 0.75 + 0.25 * random();
  const region = {
    left: Math.floor((1 - share) * width * random()),
    top: Math.floor((1 - share) * height * random()),
    width: Math.floor(share * width),
    height: Math.floor(share * height),
  };
  const { data, info } = await sharp(sample)
    .extract(region)
    .resize(size?.width, size?.height, { fit: 'cover', kernel: 'cubic' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  for (let at = 0; at < data.length; at++) {
    data[at] = Math.max(0, Math.min(255, (data[at] ?? 0) + Math.round((random() + random() - 1) * noise)));
  }
  const { width: w, height: h, channels } = info;
  const photo = sharp(data, { raw: { width: w, height: h, channels } });
  return (index % 5 === 0 ? photo.withMetadata({ orientation: 6 }) : photo).jpeg({ quality: 88 }).toBuffer();
}

/** Mulberry32: uniform numbers in [0, 1), the same for the same seed. */
function seeded(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
