/** A thread that decodes tiles, as it is told; what it is to do next waits in its port. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { memorySource } from '../../bytes/memory.ts';
import { SkyError } from '../../errors.ts';
import { placeTiles } from '../compression/place.ts';
import { openImage } from '../read/open.ts';
import { writeFits } from '../write/file.ts';
import { fromNumbers, type ThreadData, type TileMessage, type TileReply } from './message.ts';

const { nice } = workerData as ThreadData;
// Without an id it is of this thread alone, on Linux.
if (nice > 0) setPriority(nice);

// Before the first request its code is compiled: noise, as the sky has, some hundred rows of it.
const [width, height] = [1000, 200];
let seed = 1;
const data = Float32Array.from({ length: width * height }, () => {
  seed = (seed * 16807) % 2147483647;
  return seed % 1000;
});
const noise = await openImage(
  memorySource(writeFits([{ plane: { width, height, data }, cards: [], compress: {} }])),
);
for (let i = 0; i < 4; i++) await noise.read({ x0: 400, y0: 0, width: 200, height });

parentPort?.on('message', ({ tiles, ...work }: TileMessage) => {
  parentPort?.postMessage(replyTo(() => placeTiles({ ...work, tiles: fromNumbers(tiles) })));
});

function replyTo(work: () => void): TileReply {
  try {
    work();
    return {};
  } catch (error) {
    const code = error instanceof SkyError ? error.code : undefined;
    return { error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}
