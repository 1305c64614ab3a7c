/** The WCS of an image from its header: axes, projection, distortion and frame. */
import { SkyError } from '../errors.ts';
import type { HeaderValues } from '../fits/card.ts';
import { CelestialWcs } from './celestial.ts';
import { hasSip, refuseUnread, sipDistortion, tpvDistortion } from './distorted.ts';
import { celestialFrame } from './equinox.ts';
import { WcsHeader } from './header.ts';
import { linearTerms } from './linear.ts';
import type { Projection, Wcs } from './wcs.ts';

/** Coordinates of sky surveys have two axes, a cube's others stand beside them. */
const LONGITUDES = ['RA', 'GLON'];
const LATITUDES = ['DEC', 'GLAT'];
const MOST_AXES = 9;

/**
 * Reads TAN, TAN-SIP, TPV and SIN (its slant, and NCP as a SIN with one), with CD, PC and CDELT or CROTA2, RA and Dec or galactic, in
 * either order, as axes 1 and 2.
 *
 * What stands beside it decides as follows: CTYPE with -SIP: distortion by PV is not used. Plain TAN with PV of index 5 and more, or with
 * any of the axis of latitude: SCAMP's, read as TPV. TPV: SIP is not used. Plain TAN with A_ORDER: SIP is used, as astropy does. A plate
 * solution (AMDX1, of the Digitized Sky Survey) is refused even beside a whole TAN: wcslib reads it before the TAN, so that a cut which moves CRPIX alone would be
 * another place to others.
 *
 * @param options.alternate the letter of another coordinate system of the same image.
 * @throws SkyError `unsupported_wcs`: no celestial coordinates, another projection, lookup tables, another equinox; `invalid_fits`: a matrix
 * without an inverse, a value that is no number.
 */
export function parseWcs(values: HeaderValues, options: { readonly alternate?: string } = {}): Wcs {
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
  const { projection, tpv, slant, lonPole } = projectionOf(header, code, axes, centre);
  const before = projection.endsWith('SIP') ? sipDistortion(header) : undefined;
  return new CelestialWcs({
    frame: celestialFrame(header, galactic),
    projection,
    reference: [(header.number('CRPIX1') ?? 0) - 1, (header.number('CRPIX2') ?? 0) - 1],
    matrix: linear,
    centre,
    lonPole,
    slant,
    before,
    after: tpv ? tpvDistortion(header, lon, lat, pixel) : undefined,
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

/** Which projection and distortion, of CTYPE and of the PV beside it. */
function projectionOf(
  header: WcsHeader,
  code: string,
  [lon, lat]: readonly [number, number],
  centre: readonly [number, number],
): { projection: Projection; tpv: boolean; slant: [number, number]; lonPole: number } {
  const pv = (axis: number, index: number) => header.number(`PV${axis}_${index}`);
  // The standard's default: the celestial pole is above CRVAL, unless CRVAL is the pole.
  const lonPole = header.number('LONPOLE') ?? (centre[1] >= 90 ? 0 : 180);
  const plain = (projection: Projection, slant: [number, number] = [0, 0]) => {
    // PV of the axis of longitude moves the native origin; of zenithal projections nobody does.
    for (const [index, usual] of [
      [0, 0],
      [1, 0],
      [2, 90],
    ] as const) {
      const value = pv(lon, index) ?? usual;
      if (value !== usual)
        throw new SkyError('unsupported_wcs', `PV${lon}_${index} = ${value} beside ${code} is not read.`);
    }
    return { projection, tpv: false, slant, lonPole: pv(lon, 3) ?? lonPole };
  };
  switch (code) {
    case 'TPV':
      return { projection: 'TPV', tpv: true, slant: [0, 0], lonPole };
    case 'TAN-SIP':
      if (scamp(header, lon, lat)) return { projection: 'TAN-SIP', tpv: false, slant: [0, 0], lonPole };
      return plain('TAN-SIP');
    case 'TAN':
      if (header.alternate === '' && hasSip(header)) {
        if (scamp(header, lon, lat)) {
          throw new SkyError(
            'unsupported_wcs',
            'Plain TAN beside both A_ORDER and PV: whose distortion is meant cannot be told.',
          );
        }
        return plain('TAN-SIP');
      }
      if (scamp(header, lon, lat)) return { projection: 'TPV', tpv: true, slant: [0, 0], lonPole };
      return plain('TAN');
    case 'SIN':
      if (hasSip(header)) throw new SkyError('unsupported_wcs', 'SIP beside SIN is not read.');
      return plain('SIN', [pv(lat, 1) ?? 0, pv(lat, 2) ?? 0]);
    case 'NCP': {
      if (centre[1] === 0) throw new SkyError('invalid_fits', 'NCP has no sky at the equator.');
      const around = (centre[1] * Math.PI) / 180;
      return plain('SIN', [0, Math.cos(around) / Math.sin(around)]);
    }
    default:
      throw new SkyError(
        'unsupported_wcs',
        `The projection ${code} is not read: TAN, TAN-SIP, TPV and SIN are.`,
      );
  }
}

/** Whether PV is a distortion: TAN itself has none on the axis of latitude, and none beyond 4 on that of longitude. */
function scamp(header: WcsHeader, lon: number, lat: number): boolean {
  for (let index = 5; index < 40; index++) {
    if (header.number(`PV${lon}_${index}`) !== undefined || header.number(`PV${lat}_${index}`) !== undefined)
      return true;
  }
  for (let index = 0; index < 5; index++) if ((header.number(`PV${lat}_${index}`) ?? 0) !== 0) return true;
  return false;
}
