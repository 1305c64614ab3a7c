import type { FitsImage, PixelBox, Pixels, Plane } from '@darkroom/sky';

/** Rows that are read at a time. */
const ahead = 512;

/**
 * An image of which many boxes are read in the order of their first rows: rows are read whole, and each once. Keeps those of the last box, and
 * `ahead` of them.
 */
export function rowWindow(image: FitsImage): FitsImage {
  let window: { y0: number; plane: Plane } = { y0: 0, plane: { width: image.width, height: 0, data: none } };
  return {
    ...image,
    async read(box, signal) {
      const end = window.y0 + window.plane.height;
      if (box.y0 < window.y0) throw new RangeError('boxes in the order of their rows');
      if (box.y0 + box.height > end) {
        const from = Math.max(end, box.y0);
        const rows = Math.min(image.height - from, Math.max(ahead, box.y0 + box.height - from));
        const next = await image.read({ x0: 0, y0: from, width: image.width, height: rows }, signal);
        window = { y0: box.y0, plane: joined(window.plane, box.y0 - window.y0, next) };
      }
      return cropped(window.plane, { ...box, y0: box.y0 - window.y0 });
    },
  };
}

const none = new Float32Array(0);

/** The rows of `before` from `from` on, and those of `next`. */
function joined(before: Plane, from: number, next: Plane): Plane {
  const { width } = next;
  const kept = Math.max(0, before.height - from);
  if (kept === 0) return next;
  const data = like(next.data, (kept + next.height) * width);
  data.set(before.data.subarray(from * width) as Float64Array);
  data.set(next.data as Float64Array, kept * width);
  return { width, height: kept + next.height, data };
}

function cropped({ width, data }: Plane, box: PixelBox): Plane {
  const out = like(data, box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const start = (box.y0 + y) * width + box.x0;
    out.set((data as Float64Array).subarray(start, start + box.width), y * box.width);
  }
  return { width: box.width, height: box.height, data: out };
}

/** One type each: the compiler knows only that they are of the same. */
function like(data: Pixels, length: number): Float64Array {
  return new (data.constructor as new (length: number) => Pixels)(length) as Float64Array;
}
