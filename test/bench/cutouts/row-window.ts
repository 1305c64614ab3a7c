import type { FitsImage, PixelBox, Pixels, Plane } from '@darkroom/sky';

/** Rows that are read at a time, beyond those of one box. */
const ahead = 512;

/**
 * An image of which many boxes are read in the order of their first rows: rows are read whole, `ahead` and the `height` of a box at a time, and
 * each is decoded little more than once.
 */
export function rowWindow(image: FitsImage, height: number): FitsImage {
  let window: { y0: number; plane: Plane } | undefined;
  return {
    ...image,
    async read(box, signal) {
      if (
        window === undefined ||
        box.y0 < window.y0 ||
        box.y0 + box.height > window.y0 + window.plane.height
      ) {
        const rows = Math.min(image.height - box.y0, Math.max(box.height, height + ahead));
        const whole = { x0: 0, y0: box.y0, width: image.width, height: rows };
        window = { y0: box.y0, plane: await image.read(whole, signal) };
      }
      return cropped(window.plane, { ...box, y0: box.y0 - window.y0 });
    },
  };
}

function cropped({ width, data }: Plane, box: PixelBox): Plane {
  // One type each: the compiler knows only that they are of the same.
  const from = data as Float64Array;
  const out = new (data.constructor as new (length: number) => Pixels)(
    box.width * box.height,
  ) as Float64Array;
  for (let y = 0; y < box.height; y++) {
    const start = (box.y0 + y) * width + box.x0;
    out.set(from.subarray(start, start + box.width), y * box.width);
  }
  return { width: box.width, height: box.height, data: out };
}
