import { describe, expect, it } from 'vitest';
import { clock, timeLabel } from './time-label.ts';

describe('times on pictures', () => {
  it.each([
    [0, '0:00'],
    [59.99, '0:59'],
    [60, '1:00'],
    [3599, '59:59'],
    [3661.5, '1:01:01'],
  ])('%s seconds are %s', (seconds, text) => {
    expect(clock(seconds)).toBe(text);
  });

  it('draws every digit differently', async () => {
    const labels = await Promise.all([...'0123456789'].map((digit) => timeLabel(digit, 24)));
    const pictures = new Set(labels.map(({ data }) => data.toString('base64')));
    expect(pictures.size).toBe(10);
    for (const { data, width, height } of labels) expect(data).toHaveLength(width * height * 4);
  });
});
