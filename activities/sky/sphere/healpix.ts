/**
 * HEALPix cells (Górski et al. 2005, ApJ 622, 759) in the NESTED scheme: cell k of an order has the cells 4k … 4k + 3 of the next one as its
 * quarters, so that a cell is a range of the finer ones, and an index over integers finds what lies near a place.
 */
import { distanceTo, type SphericalPolygon } from './polygon.ts';
import { degree, separation, type Vector } from './vector.ts';

/** The finest order whose numbers are exact in a double. */
export const finestOrder = 24;

/** How many cells the sphere has at an order. */
export const cellCount = (order: number): number => 12 * 4 ** order;

/** Square degrees of a cell. */
export const cellArea = (order: number): number => (4 * Math.PI) / degree ** 2 / cellCount(order);

/** Rows of the twelve base cells, counted from the north pole in units of a cell's half height (equation 10's F1 and F2). */
const ringOfBase = [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4];
const turnOfBase = [1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7];

/** The NESTED number of the cell that holds a place. */
export function cellOf([x, y, z]: Vector, order: number): number {
  const side = 2 ** order;
  const height = z / Math.hypot(x, y, z);
  const absolute = Math.abs(height);
  const turn = Math.atan2(y, x) / (Math.PI / 2);
  const quarters = turn < 0 ? turn + 4 : turn;
  let base: number;
  let [i, j] = [0, 0];
  if (absolute <= 2 / 3) {
    // Equatorial belt: lines of constant u − v and u + v.
    const along = side * (0.5 + quarters);
    const across = side * height * 0.75;
    const rising = Math.floor(along - across);
    const falling = Math.floor(along + across);
    const [up, down] = [Math.floor(rising / side), Math.floor(falling / side)];
    base = up === down ? (up & 3) | 4 : up < down ? up & 3 : (down & 3) + 8;
    i = falling - down * side;
    j = side - 1 - (rising - up * side);
  } else {
    const quarter = Math.min(3, Math.floor(quarters));
    const within = quarters - quarter;
    // √(3 (1 − |z|)) without loss near the pole.
    const s = side * Math.sqrt((3 * (x * x + y * y)) / ((x * x + y * y + z * z) * (1 + absolute)));
    const most = side - 1;
    const rising = Math.min(most, Math.floor(within * s));
    const falling = Math.min(most, Math.floor((1 - within) * s));
    base = height >= 0 ? quarter : quarter + 8;
    [i, j] = height >= 0 ? [most - falling, most - rising] : [rising, falling];
  }
  return base * side * side + interleaved(i, j, order);
}

/** The centre of a cell. */
export function cellCentre(cell: number, order: number): Vector {
  return placeIn(cell, order, 0.5, 0.5);
}

/** Places on the border of a cell, from its southern corner on, counter-clockwise as the sky is seen from within; `steps` an edge, which is no great circle. */
export function cellCorners(cell: number, order: number, steps = 1): Vector[] {
  return [0, 1, 2, 3].flatMap((edge) =>
    Array.from({ length: steps }, (_, step) => {
      const along = step / steps;
      const [u, v] = [
        [along, 0],
        [1, along],
        [1 - along, 1],
        [0, 1 - along],
      ][edge] as [number, number];
      return placeIn(cell, order, u, v);
    }),
  );
}

/** A place in a cell, as shares of its edges to the north-east and to the north-west of its southern corner. */
function placeIn(cell: number, order: number, u: number, v: number): Vector {
  const side = 2 ** order;
  const base = Math.floor(cell / (side * side));
  const within = apart(cell - base * side * side, order);
  const [i, j] = [within[0] + u - 0.5, within[1] + v - 0.5];
  const ring = ringOfBase[base]! * side - i - j - 1;
  const inCap = ring < side ? ring : ring > 3 * side ? 4 * side - ring : undefined;
  const n = inCap ?? side;
  // Of the caps: how far from the pole, 1 − |z|, which near it says more than z.
  const fromPole = (n * n) / (3 * side * side);
  const z =
    inCap === undefined ? ((2 * side - ring) * 2) / (3 * side) : ring < side ? 1 - fromPole : fromPole - 1;
  const across = inCap === undefined ? Math.sqrt((1 - z) * (1 + z)) : Math.sqrt(fromPole * (2 - fromPole));
  // At a pole itself every longitude is as good.
  const lon = n === 0 ? 0 : ((turnOfBase[base]! * n + i - j) / n) * (Math.PI / 4);
  return [across * Math.cos(lon), across * Math.sin(lon), z];
}

/** Bits of i at the even places, of j at the odd ones. */
function interleaved(i: number, j: number, order: number): number {
  let [cell, weight] = [0, 1];
  for (let bit = 0; bit < order; bit++, weight *= 4)
    cell += weight * (((i >> bit) & 1) + 2 * ((j >> bit) & 1));
  return cell;
}

function apart(cell: number, order: number): [i: number, j: number] {
  let [i, j, rest] = [0, 0, cell];
  for (let bit = 0; bit < order; bit++) {
    const pair = rest % 4;
    i |= (pair & 1) << bit;
    j |= (pair >> 1) << bit;
    rest = (rest - pair) / 4;
  }
  return [i, j];
}

/** Degrees: no place of a cell of that order is farther from its centre. */
export function cellRadius(order: number): number {
  const side = 2 ** order;
  const z = 2 / 3;
  const lon = Math.PI / (4 * side);
  const across = Math.sqrt(1 - z * z);
  const corner = 1 - (1 - 1 / side) ** 2 / 3;
  return separation(
    [across * Math.cos(lon), across * Math.sin(lon), z],
    [Math.sqrt(1 - corner * corner), 0, corner],
  );
}

/**
 * Cells of an order that hold all of a thing, rising; some beside it too: those whose enclosing cap meets it.
 * `distance`: degrees from a place to the thing, 0 within it.
 */
function covering(distance: (place: Vector) => number, order: number): number[] {
  let cells = Array.from({ length: 12 }, (_, base) => base);
  for (let level = 0; ; level++) {
    const radius = cellRadius(level) + 1e-9;
    cells = cells.filter((cell) => distance(cellCentre(cell, level)) <= radius);
    if (level === order) return cells;
    cells = cells.flatMap((cell) => [4 * cell, 4 * cell + 1, 4 * cell + 2, 4 * cell + 3]);
  }
}

/** Cells of an order that hold all of a polygon, and some that are near it, rising. */
export const cellsOfPolygon = (polygon: SphericalPolygon, order: number): number[] =>
  covering((place) => {
    // Of what is far away a bound is enough.
    const apart = separation(place, polygon.centre) - polygon.radius;
    return apart > 2 * cellRadius(0) ? apart : distanceTo(polygon, place);
  }, order);

/** Cells of an order that hold all within `radius` degrees of `centre`, and some that are near it, rising. */
export const cellsOfCap = (centre: Vector, radius: number, order: number): number[] =>
  covering((place) => Math.max(0, separation(place, centre) - radius), order);
