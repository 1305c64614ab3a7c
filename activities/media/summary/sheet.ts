/** Where the scenes of a video lie on its storyboard sheet. Pure. */
import type { FoundScene } from './found-scene.ts';
import type { Cue } from './webvtt.ts';

/** Pictures of a sheet at most; of more scenes, evenly chosen ones are shown. */
const mostTiles = 300;
/** The longer side of a picture, pixels. */
const tileSide = 240;
/** The shorter side at least, so that the time can be printed on it. */
const leastSide = 40;
const gap = 4;

export interface Tile extends Cue {
  /** Number of the scene whose frame is shown. */
  readonly scene: number;
  /** Time of that frame, seconds. */
  readonly at: number;
}

export interface Sheet {
  /** Pixels; at most 4,400 each way. */
  readonly width: number;
  readonly height: number;
  /** In the order of the scenes, row by row. Each stands for the time from its `start` to its `end`, without holes between them. */
  readonly tiles: readonly Tile[];
}

/** Lays out a sheet for frames of this size (pixels, as shown): about as many columns as rows, so that it has a frame's shape. */
export function layOut(
  scenes: readonly Pick<FoundScene, 'number' | 'scene'>[],
  frame: { readonly width: number; readonly height: number },
): Sheet {
  const groups = evenly(scenes, mostTiles);
  const { width, height } = tileSize(frame);
  const columns = Math.max(1, Math.ceil(Math.sqrt(groups.length)));
  const rows = Math.max(1, Math.ceil(groups.length / columns));
  const tiles = groups.flatMap((group, index) => {
    const [first, middle, last] = [group[0], group[Math.floor(group.length / 2)], group.at(-1)];
    if (!first || !middle || !last) return [];
    const x = gap + (index % columns) * (width + gap);
    const y = gap + Math.floor(index / columns) * (height + gap);
    const time = { start: first.scene.start, end: last.scene.end, at: middle.scene.frame.at };
    return [{ scene: middle.number, ...time, x, y, width, height }];
  });
  return { width: gap + columns * (width + gap), height: gap + rows * (height + gap), tiles };
}

function tileSize(frame: { readonly width: number; readonly height: number }) {
  const scale = tileSide / Math.max(frame.width, frame.height);
  const side = (pixels: number) => Math.max(leastSide, Math.round(pixels * scale));
  return { width: side(frame.width), height: side(frame.height) };
}

/** Divides a list into at most so many stretches whose lengths differ by one at most. */
function evenly<T>(list: readonly T[], most: number): T[][] {
  const count = Math.min(list.length, most);
  const edge = (index: number) => Math.floor((index * list.length) / count);
  return Array.from({ length: count }, (_, index) => list.slice(edge(index), edge(index + 1)));
}
