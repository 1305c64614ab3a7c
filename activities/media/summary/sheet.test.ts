import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sceneOf } from '../testing/scenes.ts';
import { layOut } from './sheet.ts';

const scenesOf = (count: number) => Array.from({ length: count }, (_, i) => sceneOf(i + 1, i * 2, i * 2 + 2));

describe('layOut', () => {
  it('shows every scene where there are few', () => {
    const { tiles, width, height } = layOut(scenesOf(5), { width: 1920, height: 1080 });
    expect(tiles.map(({ scene, x, y }) => [scene, x, y])).toEqual([
      [1, 4, 4],
      [2, 248, 4],
      [3, 492, 4],
      [4, 4, 143],
      [5, 248, 143],
    ]);
    expect(tiles[0]).toMatchObject({ width: 240, height: 135, start: 0, end: 2, at: 1 });
    expect([width, height]).toEqual([736, 282]);
  });

  it('chooses evenly where there are many, and leaves no time without a picture', () => {
    const { tiles } = layOut(scenesOf(1000), { width: 1280, height: 720 });
    expect(tiles).toHaveLength(300);
    expect(tiles[0]).toMatchObject({ scene: 2, start: 0, end: 6 });
    tiles.slice(1).forEach((tile, i) => {
      expect(tile.start).toBe(tiles[i]?.end);
      expect(tile.scene - (tiles[i]?.scene ?? 0)).toBeLessThanOrEqual(5);
    });
    expect(tiles.at(-1)?.end).toBe(2000);
  });

  it('keeps tiles apart and on the sheet, and the sheet small, for any frame', () => {
    const side = fc.integer({ min: 1, max: 8192 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 700 }), side, side, (count, width, height) => {
        const sheet = layOut(scenesOf(count), { width, height });
        expect(sheet.tiles).toHaveLength(Math.min(count, 300));
        expect(Math.max(sheet.width, sheet.height)).toBeLessThanOrEqual(4400);
        const places = new Set(sheet.tiles.map(({ x, y }) => `${x} ${y}`));
        expect(places.size).toBe(sheet.tiles.length);
        for (const tile of sheet.tiles) {
          expect(tile.x + tile.width).toBeLessThan(sheet.width);
          expect(tile.y + tile.height).toBeLessThan(sheet.height);
          expect((tile.x - 4) % (tile.width + 4)).toBe(0);
          expect((tile.y - 4) % (tile.height + 4)).toBe(0);
        }
      }),
      { numRuns: 40 },
    );
  });
});
