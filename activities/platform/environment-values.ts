/** Shapes that many variables have. */
import { z } from 'zod';

export const text = z.string();
export const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number('expected a whole number').int().min(least).max(most);
export const amount = (least: number, most: number) =>
  z.coerce.number('expected a number').min(least).max(most);
