import sharp from 'sharp';
import { expect, it } from 'vitest';
import { encodePoster } from './encode.ts';

it('a poster is no larger than it needs to be', async () => {
  const frame = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#468' } })
      .jpeg()
      .toBuffer();
  const size = async (bytes: Buffer) => {
    const { width, height, format } = await sharp(bytes).metadata();
    return [width, height, format];
  };
  expect(await size(await encodePoster(await frame(2560, 1440)))).toEqual([1280, 720, 'jpeg']);
  expect(await size(await encodePoster(await frame(640, 360)))).toEqual([640, 360, 'jpeg']);
});
