/** The process that unpacks archives. Opened by `unpack.ts`. */
import { each, serve } from '@darkroom/lane/child/serve.ts';
import { readArchive } from './read.ts';
import type { archiveShape } from './shape.ts';

serve<typeof archiveShape>({
  open: () => ({}),
  tasks: {
    unpack: each(async (item) => {
      const { format, size, limits, after, place } = item.params;
      const [names = new Uint8Array()] = item.bodies;
      const archive = { size, read: (offset: number, length: number) => item.read(offset, length) };
      for await (const entry of readArchive(archive, format, limits, {
        after,
        place: place && { ...place, names },
      })) {
        const { number, name, place } = entry;
        if ('body' in entry) item.event({ type: 'picture', number, name, place }, [entry.body]);
        else item.event({ type: 'refused', number, name, place, problem: entry.problem });
      }
      item.answer({});
    }),
  },
});
