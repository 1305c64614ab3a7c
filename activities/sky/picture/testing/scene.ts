/** Small skies made of exact arithmetic alone (no exp, no sine), so that `tools/oracle/sky_colour.py` makes the same bits. */
import { createHash } from 'node:crypto';
import type { Plane } from '../../image/plane.ts';

export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  /** Flux of the brightest source's centre. */
  readonly peak: number;
  /** Of the background, and what noise is added to it. */
  readonly sky: number;
  readonly noise: number;
}

/** Noise of four even variates and a dozen sources of (1 + r²/s²)⁻² each. */
export function scene(of: Scene): Plane<Float64Array> {
  const { width, height } = of;
  let state = of.seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
  const sources = Array.from({ length: 12 }, (_, n) => {
    const x = next() * width;
    const y = next() * height;
    return { x, y, size: 1 + 2 * next(), flux: (of.peak * (0.25 + next())) / (1 + n * n) };
  });
  const data = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let value = of.sky + of.noise * (next() + next() + next() + next() - 2);
      for (const s of sources) {
        const dx = x - s.x;
        const dy = y - s.y;
        const q = 1 + (dx * dx + dy * dy) / (s.size * s.size);
        value += s.flux / (q * q);
      }
      data[y * width + x] = value;
    }
  }
  return { width, height, data };
}

export function inSinglePrecision(plane: Plane<Float64Array>): Plane<Float32Array> {
  return { ...plane, data: Float32Array.from(plane.data) };
}

/** Of the big-endian bytes, as FITS stores them. */
export function sha256OfPixels(plane: Plane<Float32Array | Float64Array>): string {
  const { data } = plane;
  const size = data.BYTES_PER_ELEMENT;
  const bytes = Buffer.alloc(data.length * size);
  for (let i = 0; i < data.length; i++) {
    if (size === 4) bytes.writeFloatBE(data[i]!, i * 4);
    else bytes.writeDoubleBE(data[i]!, i * 8);
  }
  return createHash('sha256').update(bytes).digest('hex');
}
