import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AVCOL_PRI_BT2020,
  AVCOL_PRI_SMPTE432,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_BT2020_CL,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_CHROMA_DERIVED_NCL,
  AVCOL_SPC_ICTCP,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_YCGCO,
  AVCOL_TRC_ARIB_STD_B67,
  AVCOL_TRC_BT2020_10,
  AVCOL_TRC_SMPTE2084,
  type AVColorSpace,
} from 'node-av/constants';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../../testing/bytes-source.ts';
import { type Encoding, openEncoder } from '../../testing/film/encode.ts';
import { type Planes, paint, planes } from '../../testing/film/planes.ts';
import { remux } from '../../testing/film/remux.ts';
import { kept, pixels } from '../../testing/kept.ts';
import { type KeptFrame, openVideo } from '../reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'colours-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const bytesOf = (path: string) => bytesSource(readFileSync(path));
const limits = { pixels: 4e6, seconds: 3600 };
const room = { width: 96, height: 96, fit: 'letterbox' } as const;

/** The small picture is made of each, too. */
const keptOf = <T>(path: string, nth: number, work: (frame: KeptFrame) => T): T =>
  kept(path, nth, work, (frame) => expect(frame.small().y.length).toBeGreaterThan(0));

/** A video of two frames, drawn by `draw` as limited-range 4:2:0. */
function drawn(
  name: string,
  options: Encoding & { width: number; height: number },
  draw: (to: Planes) => void,
): string {
  const path = join(folder, name);
  const encoder = openEncoder(path, options, 2);
  for (let n = 0; n < 2; n++) {
    const picture = planes(options.width, options.height);
    draw(picture);
    encoder.add(picture);
  }
  encoder.finish();
  return path;
}

type Triple = readonly [number, number, number];
type Codes = [number, number, number];

/** Luma and chroma of an RGB colour, by the matrix' weights (ITU-R BT.601, BT.709), limited or full range. */
function coded([r, g, b]: Triple, [kr, kb]: readonly [number, number], full: boolean) {
  const y = kr * r + (1 - kr - kb) * g + kb * b;
  const [cb, cr] = [(b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))];
  const [luma, chroma, black] = full ? [1, 1, 0] : [219 / 255, 224 / 255, 16];
  return [black + y * luma, 128 + cb * chroma, 128 + cr * chroma].map(Math.round) as unknown as Codes;
}

const orange = [230, 120, 40] as const;
const bt601 = [0.299, 0.114] as const;
const bt709 = [0.2126, 0.0722] as const;
const bt2020 = [0.2627, 0.0593] as const;

/** What a screen makes of a value (ITU-R BT.1886), in which primaries are converted. */
const light = (value: number) => value ** 2.4;
const curve = (light: number) => light ** (1 / 2.4);
/** What a camera makes of light (ITU-R BT.709). */
const camera = (light: number) => (light < 0.018 ? 4.5 * light : 1.099 * light ** 0.45 - 0.099);
const scene = (value: number) => (value < 0.081 ? value / 4.5 : ((value + 0.099) / 1.099) ** (1 / 0.45));
/** Of so many nits (ITU-R BT.2100). */
function pq(nits: number): number {
  const y = (nits / 10_000) ** 0.1593017578125;
  return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375;
}
const times = (matrix: readonly Triple[], [a, b, c]: Triple) =>
  matrix.map(([x, y, z]) => x * a + y * b + z * c) as unknown as Triple;
/** Linear light from sRGB's primaries to those of BT.2020 and of Display P3. */
const to2020: readonly Triple[] = [
  [0.6274, 0.3293, 0.0433],
  [0.0691, 0.9195, 0.0114],
  [0.0164, 0.088, 0.8956],
];
const toP3: readonly Triple[] = [
  [0.8225, 0.1774, 0],
  [0.0332, 0.9669, 0],
  [0.0171, 0.0724, 0.9108],
];
/** The orange in other primaries, in the numbers of the curve, 0 … 255. */
const orangeIn = (matrix: readonly Triple[]) =>
  times(matrix, orange.map((value) => light(value / 255)) as unknown as Triple).map(
    (value) => 255 * curve(value),
  ) as unknown as Triple;

const limited = (y: number, u: number, v: number): Codes => [
  Math.round(16 + 219 * y),
  Math.round(128 + 224 * u),
  Math.round(128 + 224 * v),
];

function ycgco(): Codes {
  const [r, g, b] = orange.map((value) => value / 255) as unknown as Triple;
  return limited(r / 4 + g / 2 + b / 4, g / 2 - r / 4 - b / 4, r / 2 - b / 2);
}

/** With constant luminance (ITU-R BT.2020 table 4). */
function constant(): Codes {
  const [r, g, b] = orangeIn(to2020).map((value) => value / 255) as unknown as Triple;
  const y = camera(0.2627 * scene(r) + 0.678 * scene(g) + 0.0593 * scene(b));
  return limited(y, (b - y) / (b < y ? 1.9404 : 1.5816), (r - y) / (r < y ? 1.7184 : 0.9936));
}

/** Of linear BT.2020, nits (ITU-R BT.2100 table 7). */
function ictcp([r, g, b]: Triple): Codes {
  const l = pq((1688 * r + 2146 * g + 262 * b) / 4096);
  const m = pq((683 * r + 2951 * g + 462 * b) / 4096);
  const s = pq((99 * r + 309 * g + 3688 * b) / 4096);
  return limited(
    0.5 * l + 0.5 * m,
    (6610 * l - 13613 * m + 7003 * s) / 4096,
    (17933 * l - 17390 * m - 543 * s) / 4096,
  );
}

const wide = { primaries: AVCOL_PRI_BT2020, transfer: AVCOL_TRC_BT2020_10, range: AVCOL_RANGE_MPEG };
const unusual: readonly [string, Encoding, Codes][] = [
  ['YCgCo', { colour: { space: AVCOL_SPC_YCGCO } }, ycgco()],
  [
    'BT.2020 SDR',
    { colour: { ...wide, space: AVCOL_SPC_BT2020_NCL } },
    coded(orangeIn(to2020), bt2020, false),
  ],
  ['BT.2020 CL', { colour: { ...wide, space: AVCOL_SPC_BT2020_CL } }, constant()],
  [
    'derived from BT.2020',
    { colour: { ...wide, space: AVCOL_SPC_CHROMA_DERIVED_NCL } },
    coded(orangeIn(to2020), bt2020, false),
  ],
  [
    'Display P3',
    { colour: { space: AVCOL_SPC_BT709, primaries: AVCOL_PRI_SMPTE432 } },
    coded(orangeIn(toP3), bt709, false),
  ],
];

/** R, G, B in the middle of the first saved frame. Its small picture is looked at, too. */
async function middleOf(path: string): Promise<Triple> {
  const { data, width, height, channels } = await pixels(keptOf(path, 0, (frame) => frame.jpeg()));
  const middle = ((height >> 1) * width + (width >> 1)) * channels;
  return [...data.subarray(middle, middle + 3)] as unknown as Triple;
}

describe('colours', () => {
  const sd = { width: 320, height: 180 };
  const hd = { width: 1280, height: 720 };
  it.each([
    ['BT.709', sd, bt709, false, { colour: { space: AVCOL_SPC_BT709, range: AVCOL_RANGE_MPEG } }],
    ['BT.601', hd, bt601, false, { colour: { space: AVCOL_SPC_SMPTE170M, range: AVCOL_RANGE_MPEG } }],
    ['full range', sd, bt709, true, { colour: { space: AVCOL_SPC_BT709, range: AVCOL_RANGE_JPEG } }],
    ['unmarked, small', sd, bt601, false, {}],
    ['unmarked, large', hd, bt709, false, {}],
    ['ten bits', sd, bt709, false, { pixelFormat: 'yuv420p10le', colour: { space: AVCOL_SPC_BT709 } }],
    ['4:4:4', sd, bt709, false, { pixelFormat: 'yuv444p', colour: { space: AVCOL_SPC_BT709 } }],
    [
      'ProRes',
      sd,
      bt709,
      false,
      { codec: 'prores_ks', pixelFormat: 'yuv422p10le', colour: { space: AVCOL_SPC_BT709 } },
    ],
  ] as const)('are right: %s', async (name, size, weights, full, options) => {
    const path = drawn(`${name}.mov`, { ...size, ...options }, (to) => {
      paint(to, { x: 0, y: 0, width: to.width, height: to.height }, coded(orange, weights, full));
    });
    for (const picture of keptOf(path, 0, (frame) => [frame.jpeg(), frame.input(room)])) {
      const { data, width, height, channels } = await pixels(picture);
      const middle = ((height >> 1) * width + (width >> 1)) * channels;
      const found = [...data.subarray(middle, middle + 3)];
      for (const [n, value] of found.entries()) expect(Math.abs(value - orange[n]!)).toBeLessThanOrEqual(6);
    }
  });

  it.each(unusual)('of unusual systems are right: %s', async (name, options, codes) => {
    for (const size of [sd, { width: 321, height: 181, pixelFormat: 'yuv444p' }]) {
      const path = drawn(`${name}.mkv`, { ...size, ...options }, (to) => {
        paint(to, { x: 0, y: 0, width: to.width, height: to.height }, codes);
      });
      const [r, g, b] = await middleOf(path);
      for (const [found, value] of [
        [r, 230],
        [g, 120],
        [b, 40],
      ] as const)
        expect(Math.abs(found - value)).toBeLessThanOrEqual(8);
    }
  });

  it('of ICtCp are those of the same light told in another way', async () => {
    const light = [120, 40, 20] as const;
    const colour = { primaries: AVCOL_PRI_BT2020, transfer: AVCOL_TRC_SMPTE2084, range: AVCOL_RANGE_MPEG };
    const film = (name: string, space: AVColorSpace, codes: Codes) =>
      drawn(name, { ...sd, pixelFormat: 'yuv420p10le', colour: { ...colour, space } }, (to) => {
        paint(to, { x: 0, y: 0, width: to.width, height: to.height }, codes);
      });
    const usual = coded(light.map((value) => 255 * pq(value)) as unknown as Triple, bt2020, false);
    const told = await middleOf(film('ncl.mkv', AVCOL_SPC_BT2020_NCL, usual));
    const found = await middleOf(film('ictcp.mkv', AVCOL_SPC_ICTCP, ictcp(light)));
    expect(told[0]).toBeGreaterThan(told[2] + 40);
    for (const [n, value] of found.entries()) expect(Math.abs(value - told[n]!)).toBeLessThanOrEqual(10);
  });

  it.each([
    [11, /ST 2085/],
    [14, /ICtCp without/],
    // Reserved numbers are not told by FFmpeg's decoders, and guessed as players do.
    [3, undefined],
    [99, undefined],
  ])('that cannot be read are nearly right, which is told: matrix %i', async (matrix, note) => {
    const plain = drawn('plain.mkv', sd, (to) => {
      paint(to, { x: 0, y: 0, width: to.width, height: to.height }, coded(orange, bt601, false));
    });
    const path = join(folder, `${matrix}.mkv`);
    // ICtCp is of HDR alone, and this is none.
    const options = { matrix_coefficients: `${matrix}`, transfer_characteristics: '1' };
    remux(path, [{ file: plain, filter: { name: 'h264_metadata', options } }]);
    const reader = openVideo(bytesOf(path), limits);
    for (const frame of reader.frames(0)) expect(frame.small().y[0]).toBeGreaterThan(80);
    expect(reader.notes).toEqual(note === undefined ? [] : [expect.stringMatching(note)]);
    reader.close();
    const [r, g, b] = await middleOf(path);
    expect(r).toBeGreaterThan(g + 50);
    expect(g).toBeGreaterThan(b + 50);
  });

  it.each([
    // Code values of 10, 203 (diffuse white) and 1000 nits, of 8 bits limited (ITU-R BT.2100; HLG of 1000 nits at its peak).
    ['PQ', AVCOL_TRC_SMPTE2084, [83, 143, 181]],
    ['HLG', AVCOL_TRC_ARIB_STD_B67, [65, 180, 235]],
  ] as const)('of HDR are mapped: %s', async (name, transfer, codes) => {
    const colour = {
      primaries: AVCOL_PRI_BT2020,
      transfer,
      space: AVCOL_SPC_BT2020_NCL,
      range: AVCOL_RANGE_MPEG,
    };
    const path = drawn(
      `${name}.mkv`,
      { width: 300, height: 180, codec: 'libx265', bFrames: 0, pixelFormat: 'yuv420p10le', colour },
      (to) => {
        for (const [n, code] of codes.entries())
          paint(to, { x: n * 100, y: 0, width: 100, height: 180 }, [code, 128, 128]);
      },
    );
    const reader = openVideo(bytesOf(path), limits);
    expect(reader.info).toMatchObject({ hdr: true, pixelFormat: 'yuv420p10le' });
    reader.close();
    const { data, width, channels } = await pixels(keptOf(path, 0, (frame) => frame.jpeg()));
    const grey = [50, 150, 250].map((x) => [
      ...data.subarray((90 * width + x) * channels, (90 * width + x) * channels + 3),
    ]);
    for (const [r, g, b] of grey as [number, number, number][]) {
      expect(Math.abs(r - g)).toBeLessThan(6);
      expect(Math.abs(b - g)).toBeLessThan(6);
    }
    const [dark, white, peak] = grey.map(([, g]) => g!) as [number, number, number];
    expect(dark).toBeGreaterThan(50);
    expect(dark).toBeLessThan(110);
    expect(white).toBeGreaterThan(195);
    expect(white).toBeLessThan(240);
    expect(peak).toBeGreaterThan(245);
  });
});
