/** The distortions of a header: SIP, TPV; lookup tables are refused. */
import { SkyError } from '../../errors.ts';
import { Distortion, type Polynomial } from '../transform/distortion.ts';
import type { WcsHeader } from './values.ts';

/** Of the convention; TPV has 7. */
const HIGHEST_SIP = 9;

/** Corrections by tables in other HDUs (Hubble's, and the fourth paper's) and plate solutions: what comes out without them is wrong by pixels. */
export function refuseUnread(header: WcsHeader): void {
  const found = (keyword: string) => {
    const value = header.value(keyword);
    return value === undefined || value === '' ? undefined : `${keyword} = ${String(value)}`;
  };
  const plate = header.alternate === '' && found('AMDX1');
  if (plate) throw new SkyError('unsupported_wcs', `A plate solution is not read: ${plate}.`);
  for (const keyword of ['CPDIS1', 'CPDIS2', 'CQDIS1', 'CQDIS2', 'D2IMDIS1', 'D2IMDIS2', 'AXISCORR']) {
    const table = found(keyword);
    if (table) throw new SkyError('unsupported_wcs', `Distortion by a lookup table is not read: ${table}.`);
  }
}

/** Whether there is a distortion by SIP, whatever CTYPE says. */
export function hasSip(header: WcsHeader): boolean {
  return (header.bare('A_ORDER') ?? 0) > 1 || (header.bare('B_ORDER') ?? 0) > 1;
}

/** Of pixels from CRPIX (Shupe et al. 2005); undefined where CTYPE promises one that is not there. */
export function sipDistortion(header: WcsHeader): Distortion | undefined {
  const [a, b] = [sipPolynomial(header, 'A', 0), sipPolynomial(header, 'B', 1)];
  if (!a && !b) return undefined;
  if (!a || !b)
    throw new SkyError(
      'invalid_fits',
      `The header has ${a ? 'A' : 'B'}_ORDER without ${a ? 'B' : 'A'}_ORDER.`,
    );
  const [ap, bp] = [sipPolynomial(header, 'AP', 0), sipPolynomial(header, 'BP', 1)];
  return new Distortion(a, b, 1, ap && bp && new Distortion(ap, bp, 1));
}

/** u + A(u, v) for the axis 0, v + B(u, v) for the axis 1. */
function sipPolynomial(header: WcsHeader, letters: string, axis: 0 | 1): Polynomial | undefined {
  const order = header.bare(`${letters}_ORDER`);
  if (order === undefined) return undefined;
  if (!Number.isInteger(order) || order < 0 || order > HIGHEST_SIP) {
    throw new SkyError(
      'invalid_fits',
      `${letters}_ORDER is ${order}: 0 to ${HIGHEST_SIP} is an order of SIP.`,
    );
  }
  const terms = Math.max(order, 1);
  const coefficients = new Float64Array((terms + 1) ** 2);
  for (let p = 0; p <= order; p++) {
    for (let q = 0; p + q <= order; q++) {
      coefficients[q * (terms + 1) + p] = header.bare(`${letters}_${p}_${q}`) ?? 0;
    }
  }
  coefficients[axis === 0 ? 1 : terms + 1]! += 1;
  return { order: terms, coefficients, radial: undefined };
}

/**
 * Of degrees from CRVAL, right ascension as axis 1 (the registered convention TPV). `pixel`: degrees of one.
 * Missing: PV1_1 and PV2_1 are 1, all else 0; without a PV_1 wcslib has no sky at all.
 */
export function tpvDistortion(header: WcsHeader, pixel: number): Distortion {
  return new Distortion(tpvPolynomial(header, 1), tpvPolynomial(header, 2), pixel);
}

/** The terms are of the axis' own coordinate first and of the other then: those of axis 2 change places. */
function tpvPolynomial(header: WcsHeader, axis: 1 | 2): Polynomial {
  const values = TPV_TERMS.map((_, k) => header.number(`PV${axis}_${k}`) ?? (k === 1 ? 1 : 0));
  const order = Math.max(...TPV_TERMS.map((term, k) => (values[k] !== 0 && term ? term[0] + term[1] : 1)));
  const coefficients = new Float64Array((order + 1) ** 2);
  const radial = new Float64Array(4);
  TPV_TERMS.forEach((term, k) => {
    const value = values[k]!;
    if (!term) radial[TPV_RADIAL.indexOf(k)] = value;
    else if (value !== 0) {
      const [x, y] = axis === 1 ? term : [term[1], term[0]];
      coefficients[y * (order + 1) + x] = value;
    }
  });
  return { order, coefficients, radial: radial.some((value) => value !== 0) ? radial : undefined };
}

/** PV of r, r³, r⁵, r⁷. */
const TPV_RADIAL = [3, 11, 23, 39];

/** Powers of the two coordinates of each PV: degree by degree, and after each odd one (the first, third, …) the power of r. */
const TPV_TERMS: readonly (readonly [number, number] | undefined)[] = [0, 1, 2, 3, 4, 5, 6, 7].flatMap(
  (degree) => {
    const terms: (readonly [number, number] | undefined)[] = [];
    for (let other = 0; other <= degree; other++) terms.push([degree - other, other]);
    if (degree % 2 === 1) terms.push(undefined);
    return terms;
  },
);
