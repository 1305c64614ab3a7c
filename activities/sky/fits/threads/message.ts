/** What goes between a thread that decodes and the one that wants the pixels. */
import type { SkyErrorCode } from '../../errors.ts';
import type { Stored } from '../compression/decode.ts';
import type { Tile, TileWork } from '../compression/place.ts';

/** What a thread is begun with. */
export interface ThreadData {
  /** See `DecodeThreadsOptions`. */
  readonly nice: number;
}

/** Work with its tiles as numbers: hundreds of objects cost more to send. The targets' pixels are shared, the bytes handed over. */
export interface TileMessage extends Omit<TileWork, 'tiles'> {
  readonly tiles: Float64Array<ArrayBuffer>;
}

/** What came of it: nothing, or why there are no pixels. */
export interface TileReply {
  readonly error?: { readonly code: SkyErrorCode | undefined; readonly message: string };
}

const fields = 7;
const kinds: readonly Stored[] = ['compressed', 'gzipped', 'uncompressed'];

export function toNumbers(tiles: readonly Tile[]): Float64Array<ArrayBuffer> {
  const numbers = new Float64Array(tiles.length * fields);
  let at = 0;
  for (const { start, end, row, stored, scale, zero, blank } of tiles) {
    numbers.set([start, end, row, kinds.indexOf(stored), scale, zero, blank], at);
    at += fields;
  }
  return numbers;
}

export function fromNumbers(numbers: Float64Array): Tile[] {
  return Array.from({ length: numbers.length / fields }, (_, i) => {
    const [start, end, row, kind, scale, zero, blank] = numbers.subarray(i * fields) as unknown as Seven;
    return { start, end, row, stored: kinds[kind]!, scale, zero, blank };
  });
}

type Seven = readonly [number, number, number, number, number, number, number];
