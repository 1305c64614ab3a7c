/** The process that draws previews. Opened by `previews.ts`. */
import { toldMemory } from '@darkroom/lane/child/memory.ts';
import { each, type Item, serve } from '@darkroom/lane/child/serve.ts';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import { encodePoster, encodeStoryboard } from './encode.ts';
import type { previewShape } from './shape.ts';
import { drawTile } from './tile.ts';

serve<typeof previewShape>({
  open: () => ({}),
  tasks: {
    tile: each(async (item) => {
      await item.stage('draw');
      const frame = frameOf(item);
      const { pixels, look } = await tellingMemory(drawTile(frame, item.params));
      releaseMemory(frame);
      item.answer({ look }, [pixels]);
    }),
    storyboard: each(async (item) => {
      await item.stage('draw');
      item.answer({}, [await tellingMemory(encodeStoryboard(item.params, item.bodies))]);
    }),
    poster: each(async (item) => {
      await item.stage('draw');
      item.answer({}, [await tellingMemory(encodePoster(frameOf(item)))]);
    }),
  },
});

function tellingMemory<R>(drawing: Promise<R>): Promise<R> {
  return drawing.catch((error: unknown) => {
    throw toldMemory(error);
  });
}

function frameOf({ bodies: [frame] }: Pick<Item<never>, 'bodies'>): Uint8Array {
  if (frame === undefined) throw new Error('The item has no frame.');
  return frame;
}
