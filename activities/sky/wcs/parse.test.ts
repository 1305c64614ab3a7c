import { describe, expect, it } from 'vitest';
import { SkyError } from '../errors.ts';
import { parseWcs } from './parse.ts';
import { apart, headerOf, headerOfText, recordedText, tan } from './testing.ts';

type Changes = Readonly<Record<string, string | number | undefined>>;

const without = Object.fromEntries(
  ['CD1_1', 'CD1_2', 'CD2_1', 'CD2_2'].map((keyword) => [keyword, undefined]),
);
const tpv = { CTYPE1: 'RA---TPV', CTYPE2: 'DEC--TPV' };
const scamp = { PV1_0: 0, PV1_1: 1, PV1_2: 0, PV1_7: 0.01, PV2_0: 0, PV2_1: 1, PV2_7: 0.01 };
const sip = { A_ORDER: 2, A_2_0: 1e-5, B_ORDER: 2, B_0_2: -2e-5 };
const sipType = { CTYPE1: 'RA---TAN-SIP', CTYPE2: 'DEC--TAN-SIP' };

/** A pixel that a distortion moves. */
const corner = (changes: Changes) => parseWcs(tan(changes)).toSky(20, 350);

describe('what stands beside CTYPE', () => {
  it('SIP: distortion by PV is not used', () => {
    expect(corner({ ...sipType, ...sip, ...scamp })).toEqual(corner({ ...sipType, ...sip }));
    expect(corner({ ...sipType, ...sip })).not.toEqual(corner({}));
  });

  it('TPV: SIP is not used', () => {
    expect(corner({ ...tpv, ...scamp, ...sip })).toEqual(corner({ ...tpv, ...scamp }));
  });

  it('plain TAN: PV of index 5 and more is TPV, A_ORDER is SIP', () => {
    expect(corner(scamp)).toEqual(corner({ ...tpv, ...scamp }));
    expect(parseWcs(tan(scamp)).projection).toBe('TPV');
    expect(corner(sip)).toEqual(corner({ ...sipType, ...sip }));
    expect(parseWcs(tan(sip)).projection).toBe('TAN-SIP');
  });

  it('TPV: a missing PV_1 is 1', () => {
    const { PV1_1, PV2_1, ...rest } = scamp;
    expect([PV1_1, PV2_1]).toEqual([1, 1]);
    expect(corner({ ...tpv, ...rest })).toEqual(corner({ ...tpv, ...scamp }));
  });

  it('-SIP without coefficients is none', () => {
    expect(corner(sipType)).toEqual(corner({}));
  });

  it('CD beside the same in PC and CDELT', () => {
    const same = { PC1_1: 1, PC1_2: 0, PC2_1: 0, PC2_2: 1, CDELT1: -2e-4, CDELT2: 2e-4 };
    expect(corner(same)).toEqual(corner({}));
    expect(corner({ ...without, ...same })).toEqual(corner({}));
    expect(corner({ ...without, CDELT1: -2e-4, CDELT2: 2e-4 })).toEqual(corner({}));
  });

  it('SIN: PV of latitude is its slant; of longitude PV_3 is LONPOLE', () => {
    const sin = { CTYPE1: 'RA---SIN', CTYPE2: 'DEC--SIN' };
    expect(corner({ ...sin, PV2_1: 0.1 })).not.toEqual(corner(sin));
    expect(corner({ ...sin, PV1_3: 12 })).toEqual(corner({ ...sin, LONPOLE: 12 }));
  });

  it('another coordinate system of the image by its letter', () => {
    const other = {
      CTYPE1A: 'GLON-TAN',
      CTYPE2A: 'GLAT-TAN',
      CRVAL1A: 9,
      CRVAL2A: 1,
      CRPIX1A: 1,
      CRPIX2A: 1,
      CDELT1A: 0.1,
      CDELT2A: 0.1,
    };
    const wcs = parseWcs(tan(other), { alternate: 'A' });
    expect(wcs.frame).toBe('galactic');
    expect(apart(...wcs.toSky(0, 0), 9, 1)).toBeLessThan(1e-13);
    expect(parseWcs(tan(other)).frame).toBe('icrs');
  });
});

describe('the frame', () => {
  it.each<[string, Changes, string]>([
    ['none', {}, 'icrs'],
    ['RADESYS', { RADESYS: 'ICRS' }, 'icrs'],
    ['ICRS with an equinox', { RADESYS: 'ICRS', EQUINOX: 1975 }, 'icrs'],
    ['what RADESYS was called', { RADECSYS: 'FK5', EQUINOX: 2000 }, 'fk5'],
    ['equinox 2000', { EQUINOX: 2000 }, 'fk5'],
    ['equinox 1950', { EQUINOX: 1950 }, 'fk4'],
    ['in words', { EQUINOX: 'J2000.0' }, 'fk5'],
    ['EPOCH', { EPOCH: 1950 }, 'fk4'],
    ['EPOCH beside EQUINOX', { EQUINOX: 2000, EPOCH: 1976.2 }, 'fk5'],
    ['EPOCH 0', { EPOCH: 0 }, 'icrs'],
    ['FK4', { RADESYS: 'FK4' }, 'fk4'],
    ['galactic', { CTYPE1: 'GLON-TAN', CTYPE2: 'GLAT-TAN', EQUINOX: 1950 }, 'galactic'],
  ])('%s', (_name, changes, frame) => {
    expect(parseWcs(tan(changes)).frame).toBe(frame);
  });
});

describe('refused', () => {
  it.each<[string, Changes, string, RegExp]>([
    ['no CTYPE', { CTYPE1: undefined, CTYPE2: undefined }, 'unsupported_wcs', /CTYPE1 is missing/],
    ['one CTYPE', { CTYPE2: undefined }, 'unsupported_wcs', /CTYPE is RA---TAN/],
    ['no sky', { CTYPE1: 'LINEAR', CTYPE2: 'LINEAR' }, 'unsupported_wcs', /LINEAR/],
    ['ecliptic', { CTYPE1: 'ELON-TAN', CTYPE2: 'ELAT-TAN' }, 'unsupported_wcs', /ELON-TAN/],
    ['two longitudes', { CTYPE2: 'RA---TAN' }, 'unsupported_wcs', /RA---TAN, RA---TAN/],
    ['sky on axis 3', { CTYPE1: 'FREQ', CTYPE3: 'RA---TAN' }, 'unsupported_wcs', /FREQ/],
    ['mixed', { CTYPE2: 'GLAT-TAN' }, 'invalid_fits', /contradict/],
    ['two projections', { CTYPE2: 'DEC--SIN' }, 'invalid_fits', /contradict/],
    ['another projection', { CTYPE1: 'RA---ZPN', CTYPE2: 'DEC--ZPN' }, 'unsupported_wcs', /ZPN/],
    ['of IRAF', { CTYPE1: 'RA---TNX', CTYPE2: 'DEC--TNX' }, 'unsupported_wcs', /TNX/],
    ['table', { CTYPE1: 'RA---TAB', CTYPE2: 'DEC--TAB' }, 'unsupported_wcs', /TAB/],
    ['another suffix', { CTYPE1: 'RA---TAN-TPD', CTYPE2: 'DEC--TAN-TPD' }, 'unsupported_wcs', /TAN-TPD/],
    ['CPDIS', { ...sipType, CPDIS1: 'Lookup' }, 'unsupported_wcs', /lookup table.*CPDIS1 = Lookup/],
    ['D2IM', { ...sipType, D2IMDIS2: 'Lookup' }, 'unsupported_wcs', /D2IMDIS2/],
    ['D2IM of old', { AXISCORR: 1 }, 'unsupported_wcs', /AXISCORR/],
    ['plate beside TAN', { PLTRAH: 14, AMDX1: 67.2 }, 'unsupported_wcs', /plate solution.*AMDX1/],
    ['plate alone', { CTYPE1: undefined, CTYPE2: undefined, AMDX1: 67.2 }, 'unsupported_wcs', /plate/],
    ['no CRVAL', { CRVAL2: undefined }, 'unsupported_wcs', /CRVAL2/],
    ['NaN', { CRVAL1: Number.NaN }, 'invalid_fits', /CRVAL1/],
    ['infinite', { CD1_1: Number.POSITIVE_INFINITY }, 'invalid_fits', /CD1_1/],
    ['a word', { CRPIX1: 'middle' }, 'invalid_fits', /CRPIX1.*middle/],
    ['a latitude of 91', { CRVAL2: 91 }, 'invalid_fits', /CRVAL2/],
    ['singular', { CD1_2: 2e-4, CD2_1: -2e-4 }, 'invalid_fits', /no inverse/],
    ['zero', { CD1_1: 0, CD2_2: 0 }, 'invalid_fits', /no inverse/],
    ['tiny', { CD1_1: 1e-300, CD2_2: 1e-300 }, 'invalid_fits', /no inverse/],
    ['CD and another PC', { PC1_1: 0.9, CDELT1: -2e-4, CDELT2: 2e-4 }, 'invalid_fits', /CD and PC/],
    ['no scale', without, 'unsupported_wcs', /scale/],
    ['coupled axes', { CD1_3: 1e-5 }, 'unsupported_wcs', /CD1_3/],
    ['a unit', { CUNIT1: 'm/s' }, 'unsupported_wcs', /CUNIT1 is M\/S/],
    ['A without B', { ...sipType, A_ORDER: 2 }, 'invalid_fits', /A_ORDER without B_ORDER/],
    ['an order of 10^9', { ...sipType, A_ORDER: 1e9, B_ORDER: 2 }, 'invalid_fits', /A_ORDER is 1000000000/],
    ['an order of −1', { ...sipType, ...sip, BP_ORDER: -1 }, 'invalid_fits', /BP_ORDER/],
    ['SIP and SCAMP in one', { ...sip, ...scamp }, 'unsupported_wcs', /A_ORDER and PV/],
    ['SIP beside SIN', { CTYPE1: 'RA---SIN', CTYPE2: 'DEC--SIN', ...sip }, 'unsupported_wcs', /SIN/],
    ['the native origin', { PV1_1: 3, PV1_2: 80 }, 'unsupported_wcs', /PV1_1 = 3/],
    ['a little of SCAMP', { PV1_1: 1, PV2_1: 1 }, 'unsupported_wcs', /PV1_1 = 1/],
    [
      'TPV without CD',
      { ...tpv, ...scamp, ...without, CDELT1: -2e-4, CDELT2: 2e-4 },
      'unsupported_wcs',
      /TPV without CD/,
    ],
    [
      'TPV with declination first',
      { CTYPE1: 'DEC--TPV', CTYPE2: 'RA---TPV', CRVAL1: 2 },
      'unsupported_wcs',
      /TPV with declination/,
    ],
    ['an equinox of FK5', { EQUINOX: 1992.3 }, 'unsupported_wcs', /FK5.*1992\.3/],
    ['an equinox of FK4', { RADESYS: 'FK4', EQUINOX: 1975 }, 'unsupported_wcs', /FK4.*1975/],
    ['FK4 without E-terms', { RADESYS: 'FK4-NO-E' }, 'unsupported_wcs', /FK4-NO-E/],
    ['NCP at the equator', { CTYPE1: 'RA---NCP', CTYPE2: 'DEC--NCP', CRVAL2: 0 }, 'invalid_fits', /NCP/],
  ])('%s', (_name, changes, code, message) => {
    let refused: unknown;
    try {
      parseWcs(tan(changes));
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(SkyError);
    expect((refused as SkyError).message).toMatch(message);
    expect((refused as SkyError).code).toBe(code);
  });

  it.each([
    ['dss', /plate solution is not read: AMDX1 = 67\.2/],
    ['dist_lookup', /lookup table is not read: CPDIS1 = Lookup/],
  ])('a real header: %s', (name, message) => {
    expect(() => parseWcs(headerOfText(recordedText(name)))).toThrow(message);
  });

  it('a header without anything, and a coordinate system that is not there', () => {
    expect(() => parseWcs(headerOf({}))).toThrow(/CTYPE1 is missing/);
    expect(() => parseWcs(tan(), { alternate: 'B' })).toThrow(/CTYPE1B is missing/);
  });
});
