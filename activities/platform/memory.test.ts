import { expect, it } from 'vitest';
import { releaseMemory } from './memory.ts';

it('gives memory back at once, also what two parts are the whole of', () => {
  const alone = new Float32Array(2_000_000);
  const pair = new Uint8Array(6_000_000);
  const before = process.memoryUsage().arrayBuffers;
  releaseMemory(alone);
  releaseMemory(pair.subarray(0, 1000), pair.subarray(1000));
  expect([alone.length, pair.length]).toEqual([0, 0]);
  expect(before - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(14_000_000);
});

it('leaves alone what is a part of something', () => {
  const whole = new Uint8Array(1000);
  releaseMemory(whole.subarray(0, 999));
  releaseMemory();
  expect(whole.length).toBe(1000);
});
