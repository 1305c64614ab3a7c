import type { Range } from '../../bytes/ranges.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';

/** Reads under way at a time: memory is this many ranges. */
const PARALLEL = 4;

/** Reads ranges side by side, each given to `use` as it comes; one more is read when one of them is used. Throws what the first failure throws, with no read left under way. */
export async function readPieces(
  source: ByteSource,
  ranges: readonly Range[],
  signal: AbortSignal | undefined,
  use: (range: Range, bytes: Uint8Array) => void | Promise<void>,
): Promise<void> {
  let next = 0;
  const failed = new AbortController();
  const linked = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const worker = async (): Promise<void> => {
    while (next < ranges.length) {
      linked.throwIfAborted();
      const range = ranges[next++]!;
      const bytes = await source.read(range.start, range.end - range.start, linked);
      if (bytes.length < range.end - range.start) {
        throw new SkyError(
          'truncated_fits',
          `${source.name} ends at ${range.start + bytes.length} bytes; its header promises more.`,
        );
      }
      await use(range, bytes);
    }
  };
  let failure: { error: unknown } | undefined;
  const settle = (error: unknown): void => {
    failure ??= { error };
    failed.abort(error);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, ranges.length) }, () => worker().catch(settle)));
  if (failure !== undefined) throw failure.error;
}
