/** The WCS of an image from its header: axes, projection, distortion and frame. */
import { SkyError } from '../errors.ts';
import type { HeaderValues } from '../fits/card.ts';
import type { Header } from '../fits/header/header.ts';
import { refuseUnread, sipDistortion, tpvDistortion } from './header/distorted.ts';
import { celestialFrame } from './header/equinox.ts';
import { linearTerms } from './header/linear.ts';
import { projectionOf } from './header/projection.ts';
import { WcsHeader } from './header/values.ts';
import { CelestialWcs } from './transform/celestial.ts';
import type { Wcs } from './wcs.ts';

/** Coordinates of sky surveys have two axes, a cube's others stand beside them. */
const LONGITUDES = ['RA', 'GLON'];
const LATITUDES = ['DEC', 'GLAT'];
const MOST_AXES = 9;

/**
 * Reads TAN, TAN-SIP, TPV and SIN (its slant, and NCP as a SIN with one), with CD, PC and CDELT or CROTA2, RA and Dec or galactic, in
 * either order, as axes 1 and 2.
 *
 * What stands beside it decides as follows. CTYPE with -SIP: distortion by PV is not used. Plain TAN with PV of index 5 and more: SCAMP's, read
 * as TPV. TPV: SIP is not used. Plain TAN with A_ORDER: SIP is used, as astropy does. A plate solution (AMDX1, of the Digitized Sky Survey) is
 * refused even beside a whole TAN: wcslib reads it before the TAN, so that a cut which moves CRPIX alone would be another place to others.
 * For their like TPV without CD, and with declination first, are refused: SCAMP and wcslib read them differently.
 *
 * @param options.alternate the letter of another coordinate system of the same image.
 * @throws SkyError `unsupported_wcs`: no celestial coordinates, another projection, lookup tables, another equinox; `invalid_fits`: a matrix
 * without an inverse, a value that is no number. Both name the header.
 */
export function parseWcs(values: HeaderValues, options: { readonly alternate?: string } = {}): Wcs {
  try {
    return readWcs(values, options);
  } catch (error) {
    if (!(error instanceof SkyError) || values.where === undefined) throw error;
    throw new SkyError(error.code, `${values.where}: ${error.message}`, { cause: error });
  }
}

const known = new WeakMap<Header, Wcs>();

/** The same of a header that many ask for, read once. Throws as {@link parseWcs} does. */
export function wcsOf(header: Header): Wcs {
  let wcs = known.get(header);
  if (wcs === undefined) {
    wcs = parseWcs(header);
    known.set(header, wcs);
  }
  return wcs;
}

function readWcs(values: HeaderValues, options: { readonly alternate?: string }): Wcs {
  const header = new WcsHeader(values, options.alternate ?? '');
  refuseUnread(header);
  const { axes, projection: code, galactic } = celestialAxes(header);
  const [lon, lat] = axes;
  const units = [angularUnit(header, lon), angularUnit(header, lat)] as const;
  const centre = [
    required(header, `CRVAL${lon}`) * units[0],
    required(header, `CRVAL${lat}`) * units[1],
  ] as const;
  if (Math.abs(centre[1]) > 90)
    throw new SkyError('invalid_fits', `CRVAL${lat} is ${centre[1]}°: no latitude.`);
  const linear = linearTerms(header, lon, lat, units);
  const pixel = Math.sqrt(Math.abs(linear[0] * linear[3] - linear[1] * linear[2]));
  const { projection, slant, lonPole } = projectionOf(header, code, axes, centre);
  return new CelestialWcs({
    frame: celestialFrame(header, galactic),
    projection,
    reference: [(header.number('CRPIX1') ?? 0) - 1, (header.number('CRPIX2') ?? 0) - 1],
    matrix: linear,
    centre,
    lonPole,
    slant,
    before: projection === 'TAN-SIP' ? sipDistortion(header) : undefined,
    after: projection === 'TPV' ? tpvDistortion(header, pixel) : undefined,
  });
}

function required(header: WcsHeader, keyword: string): number {
  const value = header.number(keyword);
  if (value === undefined)
    throw new SkyError('unsupported_wcs', `The header has no ${keyword}${header.alternate}.`);
  return value;
}

/** Numbers of the axes of longitude and latitude, and the three letters of their projection with what follows them. */
function celestialAxes(header: WcsHeader) {
  const types: string[] = [];
  for (let axis = 1; axis <= MOST_AXES; axis++) types.push(header.word(`CTYPE${axis}`) ?? '');
  // 4 letters, a dash, 3 letters, and a suffix: RA---TAN-SIP.
  const parts = types.map((type) => /^([A-Z]{1,4})-+([A-Z0-9]{3})(-.*)?$/.exec(type));
  const lon = parts.findIndex((part) => part && LONGITUDES.includes(part[1]!)) + 1;
  const lat = parts.findIndex((part) => part && LATITUDES.includes(part[1]!)) + 1;
  if (lon + lat !== 3 || lon === 0 || lat === 0) {
    const found = types.filter(Boolean).join(', ');
    throw new SkyError(
      'unsupported_wcs',
      found === ''
        ? `The header has no celestial coordinates: CTYPE1${header.alternate} is missing.`
        : `Axes 1 and 2 are not right ascension and declination or galactic coordinates: CTYPE is ${found}.`,
    );
  }
  const [first, second] = [parts[lon - 1]!, parts[lat - 1]!];
  const galactic = first[1] === 'GLON';
  const codes = [first, second].map((part) => part[2]! + (part[3] ?? ''));
  if (codes[0] !== codes[1] || galactic !== (second[1] === 'GLAT')) {
    throw new SkyError(
      'invalid_fits',
      `CTYPE of axes 1 and 2 contradict each other: ${types[0]}, ${types[1]}.`,
    );
  }
  return { axes: [lon, lat] as [number, number], projection: codes[0]!, galactic };
}

/** Degrees in the unit of an axis. */
function angularUnit(header: WcsHeader, axis: number): number {
  const unit = header.word(`CUNIT${axis}`) ?? 'DEG';
  const degrees = UNITS.get(unit);
  if (degrees === undefined) throw new SkyError('unsupported_wcs', `CUNIT${axis} is ${unit}, not an angle.`);
  return degrees;
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['DEG', 1],
  ['DEGREE', 1],
  ['DEGREES', 1],
  ['ARCMIN', 1 / 60],
  ['ARCSEC', 1 / 3600],
  ['MAS', 1 / 3_600_000],
  ['RAD', 180 / Math.PI],
]);
