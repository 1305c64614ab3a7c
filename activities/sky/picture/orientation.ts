/** Which way is up: pictures are turned by quarters and mirrored, never resampled, so that north is up and east is left as nearly as that goes. */
import { localScale } from '../wcs/geometry.ts';
import type { Wcs } from '../wcs/wcs.ts';
import type { Raster } from './raster.ts';

/** How a pixel grid lies on the sky, drawn with its first row at the bottom. */
export interface SkyDirection {
  /** Degrees from up to north, counterclockwise. */
  readonly north: number;
  /** 1: east is counterclockwise from north, as the sky is seen; −1: the grid is mirrored. */
  readonly parity: 1 | -1;
}

/** `north-up`: north up and east left, to the nearest quarter. `pixels`: the file's grid, first row at the bottom. */
export type OrientationRule = 'north-up' | 'pixels';

export interface Orientation {
  readonly rule: OrientationRule;
  /** Columns were reversed, before it was turned. */
  readonly mirrored: boolean;
  /** Quarters clockwise. */
  readonly turns: 0 | 1 | 2 | 3;
  /** Degrees from the picture's up to north, counterclockwise: what is left of the rotation, within ±45 where the rule is `north-up`. */
  readonly north: number;
  readonly east: 'left' | 'right';
}

const degree = Math.PI / 180;

/** The direction of north and the parity at a pixel. North is that of ICRS, whatever the frame of the image. */
export function directionAt(
  wcs: Pick<Wcs, 'frame' | 'pixelScale' | 'toVectors'>,
  x: number,
  y: number,
): SkyDirection {
  const { eastByX, eastByY, northByX, northByY } = localScale(wcs, x, y);
  // A step to the north is one that goes nowhere east: the inverse of what pixels are on the sky.
  const area = eastByX * northByY - eastByY * northByX;
  const north = Math.atan2(eastByY / area, eastByX / area) / degree;
  // Differences of vectors do not tell more; adding 0 makes a -0 of the rounding a 0.
  return { north: Math.round(north * 1e6) / 1e6 + 0, parity: area < 0 ? 1 : -1 };
}

/** How a picture is to be turned. */
export function orientationOf(direction: SkyDirection, rule: OrientationRule): Orientation {
  if (rule === 'pixels')
    return {
      rule,
      mirrored: false,
      turns: 0,
      north: within180(direction.north),
      east: direction.parity === 1 ? 'left' : 'right',
    };
  const mirrored = direction.parity === -1;
  const north = mirrored ? -direction.north : direction.north;
  const quarters = Math.round(north / 90);
  return {
    rule,
    mirrored,
    turns: (((quarters % 4) + 4) % 4) as 0 | 1 | 2 | 3,
    north: within180(north - quarters * 90),
    east: 'left',
  };
}

/** −180 < degrees ≤ 180; 0, not −0. */
const within180 = (degrees: number): number => {
  const rest = ((degrees % 360) + 360) % 360;
  return rest > 180 ? rest - 360 : rest;
};

/** Of offsets from the middle, to the right and up: what of the grid's lies on the picture's x and y. */
function matrix({ mirrored, turns }: Orientation): readonly [number, number, number, number] {
  const m = mirrored ? -1 : 1;
  if (turns === 0) return [m, 0, 0, 1];
  if (turns === 1) return [0, 1, -m, 0];
  if (turns === 2) return [-m, 0, 0, -1];
  return [0, -1, m, 0];
}

/** From a raster in the order of the file to one whose first row is the picture's top. */
export function oriented(raster: Raster, orientation: Orientation): Raster {
  const { width, height, channels } = raster;
  const [a, b, c, d] = matrix(orientation);
  const turned = orientation.turns % 2 === 1;
  const to = { width: turned ? height : width, height: turned ? width : height };
  const u = -(to.width - 1) / 2;
  const v = (to.height - 1) / 2;
  const first = a * u + c * v + (width - 1) / 2 + (b * u + d * v + (height - 1) / 2) * width;
  const across = (a + b * width) * channels;
  const down = -(c + d * width) * channels;
  const data =
    raster.data instanceof Uint8Array
      ? new Uint8Array(raster.data.length)
      : new Uint16Array(raster.data.length);
  let at = 0;
  for (let y = 0; y < to.height; y++) {
    let from = Math.round(first) * channels + y * down;
    for (let x = 0; x < to.width; x++, from += across)
      for (let channel = 0; channel < channels; channel++) data[at++] = raster.data[from + channel]!;
  }
  return { ...to, channels, data };
}

/** Where a position of the file's grid (0, 0 at the first pixel's centre) lies in the picture, rows counted from the top. */
export function placeIn(
  orientation: Orientation,
  size: { readonly width: number; readonly height: number },
  x: number,
  y: number,
): [x: number, y: number] {
  const [a, b, c, d] = matrix(orientation);
  const u = x - (size.width - 1) / 2;
  const v = y - (size.height - 1) / 2;
  const turned = orientation.turns % 2 === 1;
  return [
    a * u + b * v + ((turned ? size.height : size.width) - 1) / 2,
    ((turned ? size.width : size.height) - 1) / 2 - (c * u + d * v),
  ];
}
