/** Pictures as 8-bit planar 4:2:0, limited range, and what a film needs to do with them. */
import { AV_PIX_FMT_YUV420P, SWS_BILINEAR } from 'node-av/constants';
import { SoftwareScaleContext } from 'node-av/lib';

/** Rows from the top without padding; the three planes lie in `data` one after the other. */
export interface Planes {
  readonly width: number;
  readonly height: number;
  readonly data: Buffer;
  readonly y: Buffer;
  readonly u: Buffer;
  readonly v: Buffer;
}

/** A rectangle in pixels. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const half = (n: number) => (n + 1) >> 1;

/** Black, or over `data` where it is given. */
export function planes(width: number, height: number, data?: Buffer): Planes {
  const luma = width * height;
  const chroma = half(width) * half(height);
  const all = data ?? Buffer.alloc(luma + 2 * chroma, 128).fill(16, 0, luma);
  return {
    width,
    height,
    data: all,
    y: all.subarray(0, luma),
    u: all.subarray(luma, luma + chroma),
    v: all.subarray(luma + chroma, luma + 2 * chroma),
  };
}

/** Scales the part of `source` under `view` into `target`; the view's corner is moved to an even pixel. */
export function scaleInto(target: Planes, source: Planes, view: Rectangle): void {
  const x = view.x & ~1;
  const y = view.y & ~1;
  const chromaWidth = half(source.width);
  const chromaAt = (y >> 1) * chromaWidth + (x >> 1);
  const parts = [
    source.y.subarray(y * source.width + x),
    source.u.subarray(chromaAt),
    source.v.subarray(chromaAt),
  ] as const;
  if (view.width === target.width && view.height === target.height) {
    copyRows(target.y, target.width, target.height, parts[0], source.width);
    copyRows(target.u, half(target.width), half(target.height), parts[1], chromaWidth);
    copyRows(target.v, half(target.width), half(target.height), parts[2], chromaWidth);
    return;
  }
  using scaler = new SoftwareScaleContext();
  scaler.getContext(
    view.width,
    view.height,
    AV_PIX_FMT_YUV420P,
    target.width,
    target.height,
    AV_PIX_FMT_YUV420P,
    SWS_BILINEAR,
  );
  const strides = [source.width, chromaWidth, chromaWidth];
  const targetStrides = [target.width, half(target.width), half(target.width)];
  scaler.scaleSync([...parts], strides, 0, view.height, [target.y, target.u, target.v], targetStrides);
}

function copyRows(target: Buffer, width: number, height: number, source: Buffer, stride: number): void {
  for (let row = 0; row < height; row++)
    target.set(source.subarray(row * stride, row * stride + width), row * width);
}

/** target ← target + share × (other − target). */
export function mix(target: Planes, other: Planes, share: number): void {
  const weight = Math.round(share * 256);
  for (let n = 0; n < target.data.length; n++) {
    const own = target.data[n]!;
    target.data[n] = own + (((other.data[n]! - own) * weight + 128) >> 8);
  }
}

/** Towards a grey (16 black … 235 white), `share` of the way. */
export function fadeTo(target: Planes, grey: number, share: number): void {
  const weight = Math.round(share * 256);
  const lumas = Uint8Array.from({ length: 256 }, (_, luma) => luma + (((grey - luma) * weight + 128) >> 8));
  const chromas = Uint8Array.from(
    { length: 256 },
    (_, value) => value + (((128 - value) * weight + 128) >> 8),
  );
  for (let n = 0; n < target.y.length; n++) target.y[n] = lumas[target.y[n]!]!;
  for (let n = target.y.length; n < target.data.length; n++) target.data[n] = chromas[target.data[n]!]!;
}

/** Every second row from the second on is taken from `other`: two moments as the fields of one frame. */
export function weave(target: Planes, other: Planes): void {
  const rows = (own: Buffer, its: Buffer, width: number) => {
    for (let at = width; at < own.length; at += 2 * width) own.set(its.subarray(at, at + width), at);
  };
  rows(target.y, other.y, target.width);
  rows(target.u, other.u, half(target.width));
  rows(target.v, other.v, half(target.width));
}

/** Fills a block in whole pixels, cut off at the border. */
export function paint(target: Planes, block: Rectangle, [y, u, v]: readonly [number, number, number]): void {
  fill(target.y, target.width, target.height, block, y);
  const small = {
    x: block.x >> 1,
    y: block.y >> 1,
    width: half(block.width),
    height: half(block.height),
  };
  fill(target.u, half(target.width), half(target.height), small, u);
  fill(target.v, half(target.width), half(target.height), small, v);
}

function fill(plane: Buffer, width: number, height: number, block: Rectangle, value: number): void {
  const left = Math.max(0, block.x);
  const right = Math.min(width, block.x + block.width);
  if (right <= left) return;
  const bottom = Math.min(height, block.y + block.height);
  for (let row = Math.max(0, block.y); row < bottom; row++)
    plane.fill(value, row * width + left, row * width + right);
}
