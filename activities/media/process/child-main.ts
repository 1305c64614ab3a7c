/** The decoder's process: does one task, reads what it needs through its parent, and opens nothing. Opened by `child.ts`. */
import { each, type Item, serve } from '@darkroom/lane/child/serve.ts';
import type { TaskShape } from '@darkroom/lane/shape.ts';
import { AV_LOG_ERROR } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { type ByteSource, openVideo } from '../decode/reader.ts';
import { split } from '../split/split.ts';
import type { decoderShape } from './shape.ts';

const sourceOf = <T extends TaskShape>(item: Item<T>, size: number): ByteSource => ({
  size,
  read(offset, length) {
    const wanted = Math.min(length, size - offset);
    return wanted <= 0 ? new Uint8Array(0) : item.read(offset, wanted);
  },
});

serve<typeof decoderShape>({
  open() {
    Log.setLevel(AV_LOG_ERROR);
    return {};
  },
  tasks: {
    probe: each((item) => {
      const { size, limits } = item.params;
      const { info } = openVideo(sourceOf(item, size), limits);
      item.answer({ info });
    }),
    split: each((item) => {
      const { size, limits, request, cursor } = item.params;
      const reader = openVideo(sourceOf(item, size), limits);
      item.begun();
      for (const event of split(reader, request, cursor)) {
        if (event.type === 'scene') {
          const { image, input, ...rest } = event;
          item.event(rest, [image, input]);
        } else item.event(event);
      }
      item.answer({});
    }),
  },
});
