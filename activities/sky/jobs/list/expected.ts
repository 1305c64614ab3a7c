/** What cutouts are expected to come to before their tiles are looked for: pixels, and bytes of their files. */
import type { Asked } from '@darkroom/estimates';
import { parseSize } from '../../cut/request.ts';
import { asked, assumedOfCutouts, extentOf } from '../../realtime/plan.ts';
import type { PlacelessRequest } from '../../survey/choose.ts';

/** Of one cutout, or of several together. */
export interface Expected {
  /** Of all bands and planes together. */
  readonly pixels: number;
  readonly bytes: number;
}

/** How large the file of such a cutout is expected to be. */
export type BytesOf = (of: Asked) => number;

/** Before anything has run, and wherever it has to come to the same again. */
export const assumedBytes: BytesOf = ({ features: { pixels = 0 } }) => {
  const { base, per } = assumedOfCutouts.bytes;
  return base + per.pixels * pixels;
};

/** Where a pixel of the tile has `scale` degrees, and the cutout is made of that many tiles of each band. */
export function expectedOf(
  request: PlacelessRequest,
  { scale, tiles = 1 }: { readonly scale: number; readonly tiles?: number },
  bytesOf: BytesOf = assumedBytes,
): Expected {
  const about = asked(request, { ...extentOf(request, request.size, scale), tiles });
  return { pixels: about.features.pixels, bytes: Math.round(bytesOf(about)) };
}

/** Sizes of rows that are looked into, and kept in mind: lists have few, or one of their own for each row. */
const mostKept = 1000;

/**
 * As {@link expectedOf}, for rows that have the size of the parameter set or, as written, their own. Of more than a thousand sizes the others go by what is
 * assumed: to ask what was learnt takes about as long as reading hundreds of rows.
 */
export function expectingBySize(
  request: PlacelessRequest,
  tile: Parameters<typeof expectedOf>[1],
  bytesOf?: BytesOf,
): (size: string | null) => Expected {
  const known = new Map<string | null, Expected>();
  return (size) => {
    const before = known.get(size);
    if (before !== undefined) return before;
    const sized = size === null ? request : { ...request, size: parseSize(size) };
    if (known.size >= mostKept) return expectedOf(sized, tile);
    const expected = expectedOf(sized, tile, bytesOf);
    known.set(size, expected);
    return expected;
  };
}
