/** Draws the sky of the samples onto the grid of an image. */
import { degree, toLonLat, toVector, unit, type Vector } from '../sphere/vector.ts';
import { localScale } from '../wcs/geometry.ts';
import type { Wcs } from '../wcs/wcs.ts';
import { fieldCentre, type Source } from './sky.ts';

/** Full width at half maximum of a star, arcseconds, and the slope of its wings (Moffat's β). */
export interface Seeing {
  readonly fwhm: number;
  readonly beta: number;
}

/** Longitude and latitude of a place by its offsets in arcseconds on the tangent plane of the field's middle. */
export function placeOf(east: number, north: number): [lon: number, lat: number] {
  const [ra, dec] = fieldCentre;
  const middle = toVector(ra, dec);
  const toEast: Vector = [-Math.sin(ra * degree), Math.cos(ra * degree), 0];
  const toNorth: Vector = [
    -Math.sin(dec * degree) * Math.cos(ra * degree),
    -Math.sin(dec * degree) * Math.sin(ra * degree),
    Math.cos(dec * degree),
  ];
  const [e, n] = [(east / 3600) * degree, (north / 3600) * degree];
  return toLonLat(
    unit([
      middle[0] + e * toEast[0] + n * toNorth[0],
      middle[1] + e * toEast[1] + n * toNorth[1],
      middle[2] + e * toEast[2] + n * toNorth[2],
    ]),
  );
}

/** Surface brightness by distance: so much of the whole light on a square arcsecond. */
interface Profile {
  readonly at: (squared: number) => number;
  /** Arcseconds; beyond it nothing is drawn. */
  readonly reach: number;
}

const steps = 400;

/** What comes to 1 over the plane up to its reach, by a sum over rings. */
function normalised(shape: (squared: number) => number, reach: number): Profile {
  let whole = 0;
  // Rings that grow as their square: fine where the light is.
  for (let i = 0; i < steps; i++) {
    const [inner, outer] = [reach * (i / steps) ** 2, reach * ((i + 1) / steps) ** 2];
    const middle = (inner + outer) / 2;
    whole += Math.PI * (outer * outer - inner * inner) * shape(middle * middle);
  }
  return { at: (squared) => shape(squared) / whole, reach };
}

function moffat({ fwhm, beta }: Seeing, reach: number): Profile {
  const core = (fwhm / (2 * Math.sqrt(2 ** (1 / beta) - 1))) ** 2;
  return normalised((squared) => (1 + squared / core) ** -beta, reach);
}

/** Sérsic's, its middle blunted by the seeing. */
function sersic(radius: number, index: number, { fwhm }: Seeing): Profile {
  const b = 2 * index - 1 / 3;
  const blunt = (fwhm / 2.2) ** 2;
  const shape = (squared: number): number =>
    Math.exp(-b * ((squared + blunt) / (radius * radius)) ** (0.5 / index));
  return normalised(shape, Math.min(60, radius * (index > 2 ? 9 : 5) + 2 * fwhm));
}

export interface Drawn {
  readonly wcs: Wcs;
  readonly width: number;
  readonly height: number;
  /** Position of the band in `skyBands`. */
  readonly band: number;
  readonly seeing: Seeing;
  /** Of the image for a nanomaggy. */
  readonly unitFlux: number;
}

/** The light of all sources, without noise. */
export function draw(sources: readonly Source[], onto: Drawn): Float32Array {
  const data = new Float32Array(onto.width * onto.height);
  for (const source of sources) drawSource(data, source, onto);
  return data;
}

function drawSource(data: Float32Array, source: Source, onto: Drawn): void {
  const { wcs, width, height, seeing } = onto;
  const [x, y] = wcs.toPixel(...placeOf(source.east, source.north));
  const margin = 300;
  if (!(x > -margin && x < width + margin && y > -margin && y < height + margin)) return;
  const flux = source.flux[onto.band]! * onto.unitFlux;
  const isStar = source.radius === 0;
  const bright = source.flux[onto.band]! > 100;
  const profile = isStar
    ? moffat(seeing, seeing.fwhm * (bright ? 30 : 7))
    : sersic(source.radius, source.index, seeing);
  const scale = localScale(wcs, x, y);
  const [ex, ey, nx, ny] = [
    scale.eastByX * 3600,
    scale.eastByY * 3600,
    scale.northByX * 3600,
    scale.northByY * 3600,
  ];
  const pixelArea = Math.abs(ex * ny - ey * nx);
  const [along, across] = [Math.cos(source.angle), Math.sin(source.angle)];
  const { ratio, arms, radius } = source;
  const { at, reach } = profile;
  const pixels = reach / Math.sqrt(pixelArea) + 1;
  const brightness = (flux * pixelArea) / ratio;
  for (let j = Math.max(0, Math.ceil(y - pixels)); j <= Math.min(height - 1, Math.floor(y + pixels)); j++) {
    for (let i = Math.max(0, Math.ceil(x - pixels)); i <= Math.min(width - 1, Math.floor(x + pixels)); i++) {
      const [dx, dy] = [i - x, j - y];
      const [east, north] = [ex * dx + ey * dy, nx * dx + ny * dy];
      const major = north * along + east * across;
      const minor = (east * along - north * across) / ratio;
      const squared = major * major + minor * minor;
      if (squared > reach * reach) continue;
      let light = at(squared);
      if (arms > 0 && squared > 0) {
        // Two logarithmic arms, which begin outside of the bulge.
        const r = Math.sqrt(squared);
        const wave = Math.cos(2 * Math.atan2(minor, major) - 5.5 * Math.log(r / radius + 0.15));
        light *= 1 + arms * Math.min(1, r / (0.6 * radius)) * wave;
      }
      data[j * width + i]! += brightness * light;
    }
  }
}
