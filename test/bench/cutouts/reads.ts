/** How many ranges, and how many bytes of a file, one stamp takes. */
import { countingSource, cutTile, FitsCache, fileSource, openImage } from '@darkroom/sky';
import type { Stamp } from './side.ts';

export interface Reads {
  readonly reads: number;
  /** Of the file's bytes. */
  readonly share: number;
}

/**
 * The most that a stamp of `path` took: cold, where nothing is known of the file, and warm, from the third stamp on (the second has the table of
 * tiles read whole).
 */
export async function readsOf(
  path: string,
  stamps: readonly Stamp[],
  size: number,
): Promise<{ cold: Reads; warm: Reads }> {
  await using file = await fileSource(path);
  const one = async ({ x0, y0 }: Stamp, cache: FitsCache): Promise<Reads> => {
    const source = countingSource(file);
    const image = await openImage(source, undefined, { cache });
    await cutTile({ planes: { image }, box: { x0, y0, width: size, height: size }, mode: 'primary' });
    return { reads: source.reads.length, share: source.bytes / source.size };
  };
  const cold: Reads[] = [];
  for (const stamp of stamps) cold.push(await one(stamp, new FitsCache()));
  const cache = new FitsCache();
  const warm: Reads[] = [];
  for (const stamp of [...stamps.slice(0, 2), ...stamps]) warm.push(await one(stamp, cache));
  return { cold: most(cold), warm: most(warm.slice(2)) };
}

function most(all: readonly Reads[]): Reads {
  return {
    reads: Math.max(...all.map(({ reads }) => reads)),
    share: Math.max(...all.map(({ share }) => share)),
  };
}
