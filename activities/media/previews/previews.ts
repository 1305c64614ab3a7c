/** Previews of videos as whoever holds credentials has them drawn: in lanes, which are opened when they are needed. */
import { ProblemError } from '@darkroom/contract';
import { LaneEnded, LanePool, laneBuild, openLane } from '@darkroom/lane';
import { type Config, releaseMemory } from '@darkroom/platform';
import type { Painter } from '../summary/painter.ts';
import { framesInHand } from '../summary/storyboard.ts';
import { previewShape } from './shape.ts';

export interface PreviewsConfig extends Pick<Config, 'media'> {
  readonly lane: Pick<Config['lane'], 'sandbox'> & Partial<Config['lane']>;
}

export interface PaintOptions {
  readonly signal?: AbortSignal;
  /** Called, and waited for, before process `pid` draws what is called so; what it throws ends that. */
  readonly onDraw?: (name: string, pid: number) => void | Promise<void>;
}

export interface Previews {
  /** Processes of its lanes. */
  readonly pids: readonly number[];
  /**
   * Draws for one video. Throws ProblemError `poisonous_item`, `item_timeout`, `memory_limit` that names the scene whose frame ends its lane when it
   * is alone there, `outage` where no process can be opened; the signal's reason; an Error for a frame that cannot be read.
   */
  painter(options?: PaintOptions): Painter;
  /** Ends the lanes. */
  close(): Promise<void>;
}

/** Frames after which a lane is followed by another: what a library leaks with each is given back. */
const mostItems = 2000;
/** A video's previews are drawn in one go, and a lane is soon opened. */
const idleSeconds = 60;
/** A sheet of noise has half of this as JPEG. */
const messageBytes = 64 << 20;

export function openPreviews({ media, lane }: PreviewsConfig): Previews {
  const { memoryBytes, stallSeconds, processes } = media;
  const build = laneBuild({
    name: 'previews',
    shape: previewShape,
    main: new URL('main.ts', import.meta.url),
    memoryBytes,
    stallSeconds,
    ...lane,
    messageBytes,
    // As of recognition's lanes: glibc gives what is large and free back, and keeps no heap for each thread.
    environment: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '4194304' },
  });
  const pool = new LanePool({
    open: () => openLane(build, {}),
    // Each video that is published at the same time has its hands full of one.
    lanes: processes,
    inHand: framesInHand,
    itemSeconds: stallSeconds,
    memoryVariable: 'DECODER_MEMORY_BYTES',
    mostItems,
    idleSeconds,
  });
  return {
    get pids() {
      return pool.pids;
    },
    painter({ signal, onDraw } = {}) {
      const ask: typeof pool.ask = async (task, item) => {
        try {
          return await pool.ask(task, item, {
            ...(signal && { signal }),
            onStage: (_, pid) => onDraw?.(item.name, pid),
          });
        } catch (error) {
          if (!(error instanceof LaneEnded)) throw error;
          throw new ProblemError('outage', `No process could be opened to draw in. ${error.message}`, {
            cause: error,
          });
        }
      };
      return {
        async tile({ scene, width, height, at }, frame) {
          const item = { name: sceneName(scene), params: { width, height, at }, bodies: [frame] };
          const { result, bodies } = await ask('tile', item);
          releaseMemory(frame);
          const pixels = bodyOf(bodies);
          if (pixels.length !== 3 * width * height)
            throw new Error(`A tile of ${width} × ${height} has ${pixels.length} bytes.`);
          return { pixels, look: result.look };
        },
        async storyboard({ width, height, tiles: places }, tiles) {
          const params = {
            width,
            height,
            tiles: places.map(({ x, y, width, height }) => ({ x, y, width, height })),
          };
          const { bodies } = await ask('storyboard', { name: 'The storyboard', params, bodies: tiles });
          for (const tile of tiles) releaseMemory(tile);
          return bodyOf(bodies);
        },
        async poster(scene, frame) {
          const { bodies } = await ask('poster', { name: sceneName(scene), params: {}, bodies: [frame] });
          releaseMemory(frame);
          return bodyOf(bodies);
        },
      };
    },
    close: () => pool.close(),
  };
}

const sceneName = (scene: number): string => `Scene ${scene}`;

function bodyOf([body]: readonly Uint8Array[]): Buffer {
  if (body === undefined) throw new Error('What was drawn is missing.');
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
