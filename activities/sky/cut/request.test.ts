import { expect, it } from 'vitest';
import { wholePixels } from './place.ts';
import { parseDec, parseRa, parseSize } from './request.ts';

const refusal = expect.objectContaining({ code: 'invalid_cutout' });

it.each([
  ['1arcmin', 1 / 60, 1 / 60, 'deg'],
  ['60arcsec', 1 / 60, 1 / 60, 'deg'],
  ['0.02deg', 0.02, 0.02, 'deg'],
  ['256px', 256, 256, 'px'],
  ['2arcminx1arcmin', 2 / 60, 1 / 60, 'deg'],
  [' 100 PX X 50.5px ', 100, 50.5, 'px'],
])('reads the size %s', (text, width, height, unit) => {
  const size = parseSize(text);
  expect(size.width.value).toBeCloseTo(width, 12);
  expect(size.height.value).toBeCloseTo(height, 12);
  expect([size.width.unit, size.height.unit]).toEqual([unit, unit]);
});

it.each([
  '',
  '60',
  '0px',
  '-1arcmin',
  'NaNpx',
  'Infinitydeg',
  '1e999deg',
  '1arcminx',
  '1x1arcmin',
  '1pxx1pxx1px',
  '1parsec',
])('refuses the size %j', (text) => {
  expect(() => parseSize(text)).toThrow(refusal);
});

it.each([
  ['0', 0],
  ['359.99', 359.99],
  ['360', 0],
  ['10:00:24', 150.1],
  ['10h00m24.0s', 150.1],
  ['10 00 24', 150.1],
  ['1e2', 100],
])('reads the right ascension %s', (text, degrees) => {
  expect(parseRa(text)).toBeCloseTo(degrees, 10);
});

it.each(['', 'NaN', '361', '-1', '25:00:00', '10:60:00', '10:00:60', 'ra', '0x10'])(
  'refuses the right ascension %j',
  (text) => {
    expect(() => parseRa(text)).toThrow(refusal);
  },
);

it.each([
  ['-90', -90],
  ['+2.2', 2.2],
  ['-00:30:36', -0.51],
  ['-02d12m00s', -2.2],
  ['-2°12′', -2.2],
])('reads the declination %s', (text, degrees) => {
  expect(parseDec(text)).toBeCloseTo(degrees, 10);
});

it.each(['', 'NaN', '91', '-90:00:01', '10h00m00s', '1:2:3:4'])('refuses the declination %j', (text) => {
  expect(() => parseDec(text)).toThrow(refusal);
});

it.each([
  [227.5, 228],
  [228.5, 228],
  [0.51, 1],
])('makes %d pixels %d, halves even', (value, whole) => {
  expect(wholePixels({ value, unit: 'px' }, 1)).toBe(whole);
});

it('refuses less than a pixel', () => {
  expect(() => wholePixels({ value: 1e-5, unit: 'deg' }, 1e-4)).toThrow(refusal);
});
