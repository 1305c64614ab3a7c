/** Some two hundred JPEGs cut from the sample photos, the same bytes each time: what an oracle has been asked about, and the test asks again. */
import sharp from 'sharp';
import { sample } from './samples.ts';

interface Picture {
  readonly name: string;
  readonly bytes: Buffer;
}

interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

const photos = ['cat', 'espresso', 'astronaut', 'rocket', 'four', 'deep-field'];
const perPhoto = 36;
/** Of a window's side, pixels. */
const MOST = 480;

/**
 * Windows of random size and place, every third made half as large, every second mirrored, of several qualities, with and without
 * subsampled colours. Integers alone lie between a photo's pixels and those that are encoded, so that no machine rounds otherwise.
 */
export async function* crops(): AsyncGenerator<Picture> {
  const random = generator(20_261_127);
  for (const photo of photos) {
    const { data, info } = await sharp(sample(`${photo}.jpg`))
      .raw()
      .toBuffer({ resolveWithObject: true });
    const whole = { data, width: info.width, height: info.height };
    for (let n = 0; n < perPhoto; n++) {
      const side = (of: number) => Math.floor((Math.min(of, MOST) * (40 + random(61))) / 100);
      const [width, height] = [side(whole.width), side(whole.height)];
      const [left, top] = [random(whole.width - width + 1), random(whole.height - height + 1)];
      const cut = window(whole, left, top, width, height, n % 2 === 1);
      const picture = n % 3 === 2 ? halved(cut) : cut;
      const bytes = await sharp(picture.data, {
        raw: { width: picture.width, height: picture.height, channels: 3 },
      })
        .jpeg({ quality: [95, 80, 60][n % 3] ?? 80, chromaSubsampling: n % 4 < 2 ? '4:2:0' : '4:4:4' })
        .toBuffer();
      yield { name: `${photo}-${String(n).padStart(2, '0')}`, bytes };
    }
  }
}

/** Integers from 0 to less than what is asked for (Numerical Recipes' linear congruence, its high bits). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function window(
  { data, width: stride }: Pixels,
  left: number,
  top: number,
  width: number,
  height: number,
  mirrored: boolean,
): Pixels {
  const cut = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const from = ((top + y) * stride + left + (mirrored ? width - 1 - x : x)) * 3;
      const to = (y * width + x) * 3;
      for (let channel = 0; channel < 3; channel++) cut[to + channel] = data[from + channel] ?? 0;
    }
  return { data: cut, width, height };
}

/** Means of 2 × 2 pixels, rounded; an odd last row or column is left out. */
function halved({ data, width, height }: Pixels): Pixels {
  const [columns, rows] = [width >> 1, height >> 1];
  const half = new Uint8Array(columns * rows * 3);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      for (let channel = 0; channel < 3; channel++) {
        const at = (2 * y * width + 2 * x) * 3 + channel;
        const below = at + width * 3;
        const sum = (data[at] ?? 0) + (data[at + 3] ?? 0) + (data[below] ?? 0) + (data[below + 3] ?? 0);
        half[(y * columns + x) * 3 + channel] = (sum + 2) >> 2;
      }
  return { data: half, width: columns, height: rows };
}

if (import.meta.main) {
  // For the oracle: writes them into a folder.
  const { mkdir, writeFile } = await import('node:fs/promises');
  const { join, resolve } = await import('node:path');
  const folder = resolve(process.argv[2] ?? 'crops');
  await mkdir(folder, { recursive: true });
  for await (const { name, bytes } of crops()) await writeFile(join(folder, `${name}.jpg`), bytes);
}
