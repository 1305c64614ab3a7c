/** Changes of hue between pictures of like layout, measured on sketches. */
import { thresholds } from '../thresholds.ts';

const { cell } = thresholds.hue;

/** Factor by which light makes colours stronger or weaker at most. */
const mostLight = 3;

export interface HueChange {
  /** Share of the cells whose hue has changed. */
  readonly share: number;
  /** Mean chroma step (|U| + |V|), 0–510. */
  readonly mean: number;
}

/**
 * How far the hue of two sketches differs, after the one's colours are made as strong as the other's by one factor (least squares): light
 * that is switched on, or a flash, changes all of them alike.
 */
export function hueChange(a: Float32Array, b: Float32Array): HueChange {
  const cells = a.length / 3;
  let dot = 0;
  let square = 0;
  for (let i = cells; i < a.length; i++) {
    const own = a[i]! - grey;
    dot += own * (b[i]! - grey);
    square += own * own;
  }
  const light = square === 0 ? 1 : Math.min(mostLight, Math.max(1 / mostLight, dot / square));
  let changed = 0;
  let sum = 0;
  for (let i = cells; i < 2 * cells; i++) {
    const step =
      Math.abs(b[i]! - grey - light * (a[i]! - grey)) +
      Math.abs(b[i + cells]! - grey - light * (a[i + cells]! - grey));
    sum += step;
    if (step > cell) changed++;
  }
  return { share: changed / cells, mean: sum / cells };
}
const grey = 128;
