import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { painterHere } from '../testing/painter.ts';
import { sceneOf } from '../testing/scenes.ts';
import { layOut } from './sheet.ts';
import { storyboard } from './storyboard.ts';

const colours = ['#000000', '#ff0000', '#00ff00', '#0000ff', '#ffffff'];
const scenes = colours.map((_, i) => sceneOf(i + 1, i * 100, i * 100 + 100));
const sheet = layOut(scenes, { width: 640, height: 360 });
const frameOf = (number: number) =>
  sharp({ create: { width: 640, height: 360, channels: 3, background: colours[number - 1] ?? '' } })
    .jpeg({ quality: 95 })
    .toBuffer();

describe('storyboard', () => {
  it('shows each frame in its place, with its time', async () => {
    const { jpeg, looks } = await storyboard(sheet, frameOf, painterHere);
    const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([sheet.width, sheet.height, 3]);
    const pixel = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3).subarray(0, 3)];
    for (const [index, { x, y, width, height }] of sheet.tiles.entries()) {
      const wanted = [1, 3, 5].map((at) => Number.parseInt(colours[index]?.slice(at, at + 2) ?? '', 16));
      pixel(x + width / 2, y + 20).forEach((value, channel) => {
        expect(Math.abs(value - (wanted[channel] ?? 0))).toBeLessThan(16);
      });
      // The plate of the time is darker than a bright frame, its digits are brighter than a dark one.
      const corner = Array.from({ length: 40 }, (_, i) => pixel(x + width - 8 - i, y + height - 15));
      expect(Math.max(...corner.map(([red = 0]) => red))).toBeGreaterThan(200);
      expect(Math.min(...corner.map(([, , blue = 0]) => blue))).toBeLessThan(120);
    }
    expect(looks.get(1)).toEqual({ brightness: 0, contrast: 0 });
    expect(looks.get(5)?.brightness).toBeCloseTo(1, 2);
    expect(looks.get(2)?.brightness).toBeCloseTo(0.299, 1);
  });

  it('gives the same bytes for the same frames, in whatever order they come', async () => {
    const once = await storyboard(sheet, frameOf, painterHere);
    const late = async (number: number) => {
      await new Promise((resolve) => setTimeout(resolve, 5 * (5 - number)));
      return frameOf(number);
    };
    const again = await storyboard(sheet, late, painterHere);
    expect(again.jpeg.equals(once.jpeg)).toBe(true);
  });

  it('holds a few frames at a time, and says which one cannot be had', async () => {
    let [held, most] = [0, 0];
    const counted = async (number: number) => {
      most = Math.max(most, ++held);
      await new Promise((resolve) => setTimeout(resolve, 1));
      held--;
      return frameOf(number);
    };
    await storyboard(sheet, counted, painterHere);
    expect(most).toBeLessThanOrEqual(3);
    const gone = async (number: number) => {
      if (number === 4) throw new Error('frame 4 is gone');
      return frameOf(number);
    };
    const missing = storyboard(sheet, gone, painterHere);
    await expect(missing).rejects.toThrow('frame 4 is gone');
  });
});
