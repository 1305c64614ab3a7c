/**
 * Polygons on the sphere, whose sides are arcs of great circles: what straight lines on a TAN image are. All is decided by unit vectors,
 * so that poles and right ascension 0 are places like others.
 */
import { SkyError } from '../errors.ts';
import {
  cross,
  degree,
  dot,
  separation,
  toLonLat,
  toVector,
  towards,
  triple,
  unit,
  type Vector,
} from './vector.ts';

/** A simple polygon that lies within half a sphere; its border belongs to it. */
export interface SphericalPolygon {
  /** Three or more, the inside lies to the left of the way round. */
  readonly vertices: readonly Vector[];
  /** Within half a sphere of all vertices. */
  readonly centre: Vector;
  /** Degrees from the centre to the farthest vertex: a cap about it holds the polygon. */
  readonly radius: number;
}

/** Vertices nearer to each other than this (degrees, 4 micro-arcseconds) are one. */
const sameVertex = 1e-9;
/** Of a cap about the centre: beyond it a polygon is refused. Below 90, so that sides are well away from the horizon. */
const widest = 85;

/**
 * The polygon of these corners, in the order in which they follow each other, either way round.
 * Throws SkyError `unsupported_wcs` for fewer than three corners, for NaN, and for one that does not fit into a cap of 85°.
 */
export function polygonOf(corners: readonly Vector[]): SphericalPolygon {
  const vertices = corners.filter(
    (corner, i) => corners.length > 1 && separation(corner, corners.at(i - 1)!) > sameVertex,
  );
  const sum = vertices.reduce<Vector>((s, v) => [s[0] + v[0], s[1] + v[1], s[2] + v[2]], [0, 0, 0]);
  const length = Math.hypot(...sum);
  // NaN fails here too.
  if (vertices.length < 3 || !(length > 0)) refuse('has no three corners on the sky');
  const centre = unit(sum);
  const radius = Math.max(...vertices.map((vertex) => separation(centre, vertex)));
  if (!(radius <= widest)) refuse(`reaches ${radius.toFixed(1)}° from its centre; ${widest}° are the most`);
  const turned = signedArea(vertices, centre) < 0 ? vertices.toReversed() : vertices;
  return { vertices: turned, centre, radius };
}

function refuse(why: string): never {
  throw new SkyError('unsupported_wcs', `The footprint ${why}.`);
}

/** {@link polygonOf} of longitudes and latitudes in degrees. */
export const polygonOfSky = (corners: readonly (readonly [lon: number, lat: number])[]): SphericalPolygon =>
  polygonOf(corners.map(([lon, lat]) => toVector(lon, lat)));

/** Longitudes and latitudes of the corners, degrees. */
export const cornersOf = ({ vertices }: SphericalPolygon): [lon: number, lat: number][] =>
  vertices.map(toLonLat);

/** Square degrees, negative where the vertices go clockwise: triangles about the centre (van Oosterom & Strackee 1983). */
function signedArea(vertices: readonly Vector[], centre: Vector): number {
  let sum = 0;
  for (const [i, b] of vertices.entries()) {
    const a = vertices.at(i - 1)!;
    sum += 2 * Math.atan2(triple(centre, a, b), 1 + dot(centre, a) + dot(a, b) + dot(b, centre));
  }
  return sum / degree ** 2;
}

/** Square degrees. */
export const areaOf = ({ vertices, centre }: SphericalPolygon): number => signedArea(vertices, centre);

/** Whether a place lies in the polygon. What lies within rounding of its border may be told either way. */
export function contains({ vertices, centre, radius }: SphericalPolygon, place: Vector): boolean {
  if (dot(centre, place) < Math.cos(radius * degree) - 1e-12) return false;
  // Seen from the centre of the sphere onto the tangent plane at the polygon's centre, arcs are straight: crossings of a ray are counted there.
  const east = Math.abs(centre[2]) < 0.9 ? unit(cross([0, 0, 1], centre)) : unit(cross([1, 0, 0], centre));
  const north = cross(centre, east);
  const height = (v: Vector): number => dot(v, north) / dot(v, centre);
  const of = height(place);
  let winding = 0;
  let a = vertices.at(-1)!;
  let wasAbove = height(a) > of;
  for (const b of vertices) {
    const isAbove = height(b) > of;
    if (isAbove !== wasAbove) {
      const side = triple(a, b, place);
      if (isAbove && side > 0) winding++;
      if (!isAbove && side < 0) winding--;
    }
    a = b;
    wasAbove = isAbove;
  }
  return winding !== 0;
}

/** The place nearest to `place` on the arc from a to b. */
function nearestOnArc(a: Vector, b: Vector, place: Vector): Vector {
  const normal = cross(a, b);
  const squared = dot(normal, normal);
  const off = dot(place, normal) / squared;
  const foot: Vector = [place[0] - off * normal[0], place[1] - off * normal[1], place[2] - off * normal[2]];
  const isBetween = triple(normal, a, foot) >= 0 && triple(b, normal, foot) >= 0;
  if (isBetween && dot(foot, foot) > 1e-24) return unit(foot);
  return dot(a, place) >= dot(b, place) ? a : b;
}

/** The place of the polygon's border that is nearest to `place`. */
export function nearestOnBorder({ vertices }: SphericalPolygon, place: Vector): Vector {
  let best = vertices[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, b] of vertices.entries()) {
    const foot = nearestOnArc(vertices.at(i - 1)!, b, place);
    const away = separation(foot, place);
    if (away < least) [best, least] = [foot, away];
  }
  return best;
}

/** Degrees that a place lies inside of the border; negative outside. */
export function depthOf(polygon: SphericalPolygon, place: Vector): number {
  const away = separation(nearestOnBorder(polygon, place), place);
  return contains(polygon, place) ? away : -away;
}

/** The place of the polygon that is nearest to `place`: itself where it lies inside, else on the border. */
export const nearestTo = (polygon: SphericalPolygon, place: Vector): Vector =>
  contains(polygon, place) ? place : nearestOnBorder(polygon, place);

/** A place so many degrees within the border from the one on it, or as far as half the way to the centre. */
export function inward(polygon: SphericalPolygon, onBorder: Vector, degrees: number): Vector {
  const most = separation(onBorder, polygon.centre) / 2;
  return most === 0 ? onBorder : towards(onBorder, polygon.centre, Math.min(degrees, most));
}

/** Degrees from a place to the polygon; 0 inside. */
export const distanceTo = (polygon: SphericalPolygon, place: Vector): number =>
  Math.max(0, -depthOf(polygon, place));

/** Whether the polygon has a place within `radius` degrees of `centre`. */
export function overlapsCap(polygon: SphericalPolygon, centre: Vector, radius: number): boolean {
  const apart = separation(polygon.centre, centre);
  if (apart > polygon.radius + radius) return false;
  return apart <= radius || distanceTo(polygon, centre) <= radius;
}

/** Whether two polygons have a place in common; what only touches may be told either way. */
export function overlaps(p: SphericalPolygon, q: SphericalPolygon): boolean {
  if (separation(p.centre, q.centre) > p.radius + q.radius) return false;
  // Their centres too: of equal polygons every corner lies on the border of the other.
  const isIn = (v: Vector): boolean => contains(p, v) && contains(q, v);
  if (isIn(p.centre) || isIn(q.centre)) return true;
  if (p.vertices.some((v) => contains(q, v)) || q.vertices.some((v) => contains(p, v))) return true;
  return p.vertices.some((b, i) => {
    const a = p.vertices.at(i - 1)!;
    return q.vertices.some((d, j) => crosses(a, b, q.vertices.at(j - 1)!, d));
  });
}

/** Whether the arcs from a to b and from c to d cross, between their ends: four triangles that turn the same way. */
function crosses(a: Vector, b: Vector, c: Vector, d: Vector): boolean {
  const turn = -triple(a, b, c);
  return turn * triple(a, b, d) > 0 && turn * triple(c, d, b) < 0 && turn * triple(c, d, a) > 0;
}
