/** Which projection and distortion a header means: by CTYPE, and by the PV and SIP that stand beside it. */
import { SkyError } from '../../errors.ts';
import { cosine, sine } from '../angle.ts';
import type { Projection } from '../wcs.ts';
import { hasSip } from './distorted.ts';
import type { WcsHeader } from './values.ts';

export interface Projected {
  readonly projection: Projection;
  /** Of SIN: ξ and η of its slant. */
  readonly slant: readonly [number, number];
  /** Degrees. */
  readonly lonPole: number;
}

/** `code`: what stands after the dashes of CTYPE. `axes`: numbers of those of longitude and latitude. */
export function projectionOf(
  header: WcsHeader,
  code: string,
  axes: readonly [lon: number, lat: number],
  [, centre]: readonly [lon: number, lat: number],
): Projected {
  // The standard's default: the celestial pole is above CRVAL, unless CRVAL is the pole.
  const lonPole = header.number('LONPOLE') ?? (centre >= 90 ? 0 : 180);
  const zenithal = (projection: Projection, slant: readonly [number, number] = [0, 0]): Projected => {
    return { projection, slant, lonPole: nativePole(header, code, axes) ?? lonPole };
  };
  const scamp = hasScamp(header);
  switch (code) {
    case 'TPV':
      return tpv(header, axes, lonPole);
    case 'TAN-SIP':
      return scamp ? { projection: 'TAN-SIP', slant: [0, 0], lonPole } : zenithal('TAN-SIP');
    case 'TAN': {
      const sip = header.alternate === '' && hasSip(header);
      if (sip && scamp) {
        refuse('TAN beside both A_ORDER and PV is not read: whose distortion is meant cannot be told.');
      }
      return scamp ? tpv(header, axes, lonPole) : zenithal(sip ? 'TAN-SIP' : 'TAN');
    }
    case 'SIN': {
      if (header.alternate === '' && hasSip(header)) refuse('SIP beside SIN is not read.');
      return zenithal(
        'SIN',
        [1, 2].map((index) => header.number(`PV${axes[1]}_${index}`) ?? 0) as [number, number],
      );
    }
    case 'NCP':
      if (centre === 0) throw new SkyError('invalid_fits', 'NCP has no sky where CRVAL is on the equator.');
      return zenithal('SIN', [0, cosine(centre) / sine(centre)]);
    default:
      return refuse(`The projection ${code} is not read: TAN, TAN-SIP, TPV and SIN are.`);
  }
}

/** PV of the axis of longitude: 3 is LONPOLE by another name; 1 and 2 move the native origin, which of zenithal projections nobody does. */
function nativePole(
  header: WcsHeader,
  code: string,
  [lon, lat]: readonly [number, number],
): number | undefined {
  const usual = new Map([
    [`PV${lon}_0`, 0],
    [`PV${lon}_1`, 0],
    [`PV${lon}_2`, 90],
  ]);
  if (code.startsWith('TAN')) for (let index = 0; index < 5; index++) usual.set(`PV${lat}_${index}`, 0);
  for (const [keyword, expected] of usual) {
    const value = header.number(keyword) ?? expected;
    if (value !== expected) refuse(`${keyword} = ${value} beside ${code} is not read.`);
  }
  return header.number(`PV${lon}_3`);
}

function tpv(header: WcsHeader, [lon]: readonly [number, number], lonPole: number): Projected {
  if (lon !== 1) refuse('TPV with declination as axis 1 is not read: SCAMP and wcslib differ in it.');
  if (![1, 2].some((i) => [1, 2].some((j) => header.number(`CD${i}_${j}`) !== undefined))) {
    refuse('TPV without CD is not read: SCAMP and wcslib differ in it.');
  }
  return { projection: 'TPV', slant: [0, 0], lonPole };
}

/** Whether PV is a distortion: none of the projections that are read has more than 4 of its own. */
function hasScamp(header: WcsHeader): boolean {
  for (let index = 5; index < 40; index++) {
    if (header.number(`PV1_${index}`) !== undefined || header.number(`PV2_${index}`) !== undefined)
      return true;
  }
  return false;
}

function refuse(message: string): never {
  throw new SkyError('unsupported_wcs', message);
}
