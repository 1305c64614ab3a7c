/** Our side: a plain process that uses the library as an astronomer would. Answers one turn after the other. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ByteSource,
  type Cut,
  type CutRequest,
  cutFile,
  cutMany,
  cutTile,
  FitsCache,
  type FitsImage,
  fileSource,
  objectSource,
  openImage,
  SkyError,
} from '@darkroom/sky';
import { createStorage } from '@darkroom/storage';
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

/** Stamps of one tile that are in memory together. */
const together = 256;

async function take({ way, stamps, size, folder, digests }: Turn): Promise<Turned> {
  const told: string[] = [];
  const began = performance.now();
  const cpu = process.cpuUsage();
  const write = async (i: number, cut: Cut | SkyError): Promise<void> => {
    if (cut instanceof SkyError) throw cut;
    await writeFile(join(folder, `${i}.fits`), cutFile([{ name: 'IMAGE', plane: cut.image! }]));
    if (digests) told[i] = digestOf(cut.image!.plane.data as Float32Array);
  };
  const requestOf = (image: CutRequest['planes'], { tile, x0, y0 }: Stamp): CutRequest => ({
    planes: image,
    box: { x0, y0, width: size, height: size },
    mode: 'primary',
    provenance: { SURVEY: 'bench', TILE: String(tile) },
  });
  if (way === 'ours-grouped') {
    const byTile = Map.groupBy(stamps.keys(), (i) => stamps[i]!.tile);
    for (const [tile, numbers] of byTile) {
      const planes = { image: await imageOf(way, tile) };
      // Neighbours share rows.
      const order = numbers.sort((a, b) => stamps[a]!.y0 - stamps[b]!.y0);
      for (let from = 0; from < order.length; from += together) {
        const some = order.slice(from, from + together);
        const cuts = await cutMany(some.map((i) => requestOf(planes, stamps[i]!)));
        for (const [at, i] of some.entries()) await write(i, cuts[at]!);
      }
    }
  } else
    for (const [i, stamp] of stamps.entries())
      await write(i, await cutTile(requestOf({ image: await imageOf(way, stamp.tile) }, stamp)));
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

function digestOf(data: Float32Array): string {
  return createHash('sha256').update(Buffer.from(data.slice().buffer).swap32()).digest('hex');
}

function told<T>(): Promise<T> {
  return new Promise((resolve) => process.once('message', (message) => resolve(message as T)));
}
