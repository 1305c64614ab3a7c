import { loadConfig } from '@darkroom/platform';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { layOut } from '../summary/sheet.ts';
import { storyboard } from '../summary/storyboard.ts';
import { painterHere } from '../testing/painter.ts';
import { sceneOf } from '../testing/scenes.ts';
import { openPreviews, type Previews } from './previews.ts';

const { media } = loadConfig({ DATABASE_URL: 'postgres://not-used' });
let previews: Previews;
beforeAll(() => {
  previews = openPreviews({ media, lane: { sandbox: 'auto' } });
});
afterAll(() => previews.close());

/** Frames of noise: whatever is done to one shows in the bytes. */
const sizes = [
  [640, 360],
  [360, 640],
  [64, 48],
  [1000, 90],
  [321, 181],
] as const;
const scenes = sizes.map((_, n) => sceneOf(n + 1, n * 1000, n * 1000 + 1000));
const sheet = layOut(scenes, { width: 640, height: 360 });
const frames = new Map<number, Buffer>();
async function frameOf(scene: number): Promise<Buffer> {
  const [width = 0, height = 0] = sizes[scene - 1] ?? [];
  const frame =
    frames.get(scene) ??
    (await sharp({
      create: {
        width,
        height,
        channels: 3,
        background: '#000',
        noise: { type: 'gaussian', mean: 40 * scene, sigma: 30 },
      },
    })
      .jpeg({ quality: 90 })
      .toBuffer());
  frames.set(scene, frame);
  return Buffer.from(frame);
}

it('draws the same bytes as the core does, in a process of its own', async () => {
  const seen: string[] = [];
  const painter = previews.painter({ onDraw: (name, pid) => void seen.push(`${name} ${pid}`) });
  const there = await storyboard(sheet, frameOf, painter);
  const here = await storyboard(sheet, frameOf, painterHere);
  expect(there.looks).toEqual(here.looks);
  expect(there.jpeg.equals(here.jpeg)).toBe(true);
  const poster = await painter.poster(2, await frameOf(2));
  expect(poster.equals(await painterHere.poster(2, await frameOf(2)))).toBe(true);
  const [pid] = previews.pids;
  const names = ['Scene 1', 'Scene 2', 'Scene 2', 'Scene 3', 'Scene 4', 'Scene 5', 'The storyboard'];
  expect(seen.sort()).toEqual(names.map((name) => `${name} ${pid}`));
  // A frame that cannot be read ends nothing.
  await expect(painter.poster(9, Buffer.from('words'))).rejects.toThrow('unsupported image format');
  expect(previews.pids).toEqual([pid]);
});

it('names the scene whose frame ends its process, each time it is alone there', async () => {
  const painter = previews.painter({ onDraw: (_, pid) => void process.kill(pid, 'SIGSEGV') });
  await expect(painter.poster(2, await frameOf(2))).rejects.toMatchObject({
    code: 'poisonous_item',
    message: expect.stringMatching(/^Scene 2 ended .*SIGSEGV/),
  });
});

it('takes a system that starts no process for an outage, and for no fault of a video', async () => {
  await previews.close();
  const { execPath } = process;
  onTestFinished(() => {
    process.execPath = execPath;
  });
  process.execPath = '/nowhere/node';
  await expect(previews.painter().poster(1, await frameOf(1))).rejects.toMatchObject({ code: 'outage' });
});
