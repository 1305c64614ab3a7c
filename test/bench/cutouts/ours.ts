/** Our side: a plain process that uses the library as an astronomer would. Answers one turn after the other. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ByteSource,
  cutFile,
  cutTile,
  FitsCache,
  type FitsImage,
  fileSource,
  objectSource,
  openImage,
} from '@darkroom/sky';
import { createStorage } from '@darkroom/storage';
import { rowWindow } from './row-window.ts';
import type { Reach, Stamp, Turn, Turned, Way } from './side.ts';

const reach = await told<Reach>();
const { endpoint, region, accessKeyId, secretAccessKey, bucket } = reach;
const storage = createStorage({
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
  bucket,
  forcePathStyle: true,
});
const cache = new FitsCache();
const sources = new Map<string, Promise<ByteSource>>();
process.on('message', (turn: Turn) => void take(turn).then((turned) => process.send?.(turned)));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');

async function take({ way, stamps, size, folder, digests }: Turn): Promise<Turned> {
  const told: string[] = [];
  const began = performance.now();
  const cpu = process.cpuUsage();
  const order =
    way === 'ours-grouped'
      ? stamps.map((_, i) => i).sort((a, b) => byTile(stamps[a]!, stamps[b]!))
      : stamps.keys();
  let grouped: { tile: number; image: FitsImage } | undefined;
  for (const i of order) {
    const { tile, x0, y0 } = stamps[i]!;
    let image: FitsImage;
    if (way === 'ours-grouped') {
      if (grouped?.tile !== tile) grouped = { tile, image: rowWindow(await imageOf(way, tile)) };
      image = grouped.image;
    } else image = await imageOf(way, tile);
    const cut = await cutTile({
      planes: { image },
      box: { x0, y0, width: size, height: size },
      mode: 'primary',
      provenance: { SURVEY: 'bench', TILE: String(tile) },
    });
    await writeFile(join(folder, `${i}.fits`), cutFile([{ name: 'IMAGE', plane: cut.image! }]));
    if (digests) told[i] = digestOf(cut.image!.plane.data as Float32Array);
  }
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - began) / 1000, cpu: (user + system) / 1e6, digests: told };
}

/** Opened for each stamp, as each may be another's request; what is known of the file is kept. */
async function imageOf(way: Way, tile: number): Promise<FitsImage> {
  const name = way === 'ours-local' ? reach.files[tile]! : reach.keys[tile]!;
  let source = sources.get(name);
  if (source === undefined) {
    source =
      way === 'ours-local'
        ? fileSource(name)
        : storage.head(name).then((found) => objectSource(storage, found));
    sources.set(name, source);
  }
  return openImage(await source, undefined, { cache });
}

function byTile(a: Stamp, b: Stamp): number {
  return a.tile - b.tile || a.y0 - b.y0;
}

function digestOf(data: Float32Array): string {
  return createHash('sha256').update(Buffer.from(data.slice().buffer).swap32()).digest('hex');
}

function told<T>(): Promise<T> {
  return new Promise((resolve) => process.once('message', (message) => resolve(message as T)));
}
