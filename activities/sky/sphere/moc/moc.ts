/** Coverage maps of the sky (IVOA MOC 2.0): HEALPix cells of several orders that hold all of a set of polygons. */
import { cellArea, cellCentre, cellCorners, cellRadius } from '../healpix.ts';
import { areaOf, depthOf, overlaps, polygonOf, type SphericalPolygon } from '../polygon.ts';
import { separation } from '../vector.ts';

/** What its finest cells are, and its cells by order, each rising (NESTED): none lies in another, and no four are the quarters of one. */
export interface Moc {
  readonly order: number;
  readonly cells: ReadonlyMap<number, readonly number[]>;
}

export interface MocBounds {
  /** Of the finest cells. */
  readonly finest: number;
  /** Cells of the finest order that the area may have, about: how long it takes. */
  readonly mostLooked: number;
  /** Cells of all orders together. */
  readonly mostCells: number;
}

/** Order 12 has cells of 51″; a million of cells are some megabytes at most, a hundred thousand less than one. */
export const usualBounds: MocBounds = { finest: 12, mostLooked: 2 ** 22, mostCells: 2 ** 17 };

/**
 * The cells that a polygon touches, of the finest order within the bounds: no covered place lies outside, and beside the border no more than
 * the cells that it runs through.
 */
export function mocOf(
  polygons: readonly SphericalPolygon[],
  { finest, mostLooked, mostCells }: MocBounds = usualBounds,
): Moc {
  const together = polygons.reduce((sum, polygon) => sum + areaOf(polygon), 0);
  let order = finest;
  while (order > 0 && together / cellArea(order) > mostLooked) order--;
  let moc = covering(polygons, order);
  while (moc.order > 0 && countOf(moc) > mostCells) moc = coarser(moc, moc.order - 1);
  return moc;
}

const countOf = ({ cells }: Moc): number => [...cells.values()].reduce((sum, { length }) => sum + length, 0);

function covering(polygons: readonly SphericalPolygon[], order: number): Moc {
  const cells = new Map<number, number[]>();
  const add = (level: number, cell: number): void => {
    const there = cells.get(level);
    if (there === undefined) cells.set(level, [cell]);
    else there.push(cell);
  };
  const radii = Array.from({ length: order + 1 }, (_, level) => cellRadius(level) + 1e-9);

  /** Whether all of the cell belongs to it; else its parts that do have been added. */
  const visit = (cell: number, level: number, near: readonly SphericalPolygon[]): boolean => {
    const centre = cellCentre(cell, level);
    const radius = radii[level]!;
    const touching: SphericalPolygon[] = [];
    for (const polygon of near) {
      const apart = separation(centre, polygon.centre);
      if (apart > polygon.radius + radius) continue;
      const depth = depthOf(polygon, centre);
      // A cap about the cell lies within the polygon, or outside.
      if (depth >= radius || (level === order && depth >= 0)) return true;
      if (depth >= -radius) touching.push(polygon);
    }
    if (touching.length === 0) return false;
    if (level === order) {
      const border = polygonOf(cellCorners(cell, level, sidesAt(level)));
      return touching.some((polygon) => overlaps(border, polygon));
    }
    const parts = [0, 1, 2, 3].map((part) => visit(4 * cell + part, level + 1, touching));
    if (parts.every(Boolean)) return true;
    for (const [part, isWhole] of parts.entries()) if (isWhole) add(level + 1, 4 * cell + part);
    return false;
  };

  for (let base = 0; base < 12; base++) if (visit(base, 0, polygons)) add(0, base);
  return { order, cells };
}

/** Great circles for each edge of a cell, which is none itself: beside fine cells the two are as one. */
const sidesAt = (level: number): number => (level < 6 ? 16 : 2);

/** With no cells finer than `order`: those are within the ones that it has instead. */
export function coarser({ order: has, cells }: Moc, order: number): Moc {
  if (order >= has) return { order: has, cells };
  const made = new Map<number, number[]>();
  let whole = new Set<number>();
  for (const [level, of] of cells)
    if (level >= order) for (const cell of of) whole.add(Math.floor(cell / 4 ** (level - order)));
  for (let level = order; ; level--) {
    const up = new Set<number>();
    const stays: number[] = [];
    for (const cell of [...whole].sort((a, b) => a - b)) {
      const first = cell - (cell % 4);
      if (level > 0 && [0, 1, 2, 3].every((part) => whole.has(first + part))) up.add(first / 4);
      else stays.push(cell);
    }
    if (stays.length > 0) made.set(level, stays);
    if (level === 0) return { order, cells: made };
    whole = up;
    for (const cell of cells.get(level - 1) ?? []) whole.add(cell);
  }
}
