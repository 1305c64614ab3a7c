/** Scenes as tests need them. */
import type { Detection, Scene } from '@darkroom/contract';
import type { FoundScene } from '../summary/found-scene.ts';

const box = { x: 0, y: 0, width: 10, height: 10 };
export const found = (label: string, score: number): Detection => ({ label, score, box });

/** A scene from `start` to `end` seconds, its frame in the middle. */
export function sceneOf(
  number: number,
  start: number,
  end: number,
  {
    detections = [],
    ...changes
  }: Partial<Scene> & { readonly detections?: readonly Detection[] | null } = {},
): FoundScene {
  const at = (start + end) / 2;
  const begins = number === 1 ? 'start' : 'cut';
  const frame = { at, pts: Math.round(at * 1000), offset: 0 };
  return {
    number,
    scene: { start, end, begins, score: null, transition: null, frame, ...changes },
    detections,
  };
}
