/** Scenes of a video put together again from the parts that `sampleEvery` divides them into. Pure. */
import type { Detection } from '@darkroom/contract';
import { roundedSeconds } from '@darkroom/platform/rounded.ts';
import type { FoundScene } from './found-scene.ts';

/**
 * One for each scene, in order; those that are no parts stay as they are. A scene has the number, beginning and end of its own, the frame
 * that lies nearest to its middle (the earlier of two), and of each label the detections of the part that has most of them, of the best
 * scores where several have as many: who is seen five times is one. `detections` is null where no frame of it could be analysed.
 */
export function wholeScenes(parts: readonly FoundScene[]): FoundScene[] {
  const scenes: FoundScene[][] = [];
  for (const part of parts) {
    const { number } = part.scene;
    const last = scenes.at(-1);
    if (last !== undefined && number !== undefined && last[0]?.scene.number === number) last.push(part);
    else scenes.push([part]);
  }
  return scenes.flatMap((of) => whole(of) ?? []);
}

function whole(parts: readonly FoundScene[]): FoundScene | undefined {
  const [first] = parts;
  const last = parts.at(-1);
  if (first === undefined || last === undefined || first.scene.number === undefined) return first;
  const { number, ...scene } = first.scene;
  const { start } = scene;
  const { end } = last.scene;
  const middle = (start + end) / 2;
  const frames = parts.map((part) => part.scene.frame);
  const frame = frames.reduce((best, one) =>
    Math.abs(one.at - middle) < Math.abs(best.at - middle) ? one : best,
  );
  return {
    number,
    scene: { ...scene, start, end, frame: { ...frame, offset: roundedSeconds(frame.at - middle) } },
    detections: mostOf(parts),
  };
}

function mostOf(parts: readonly FoundScene[]): Detection[] | null {
  const analysed = parts.flatMap(({ detections }) => (detections === null ? [] : [detections]));
  if (analysed.length === 0) return null;
  const most = new Map<string, readonly Detection[]>();
  for (const detections of analysed)
    for (const [label, found] of Map.groupBy(detections, (one) => one.label)) {
      const so = most.get(label);
      if (
        so === undefined ||
        found.length > so.length ||
        (found.length === so.length && best(found) > best(so))
      )
        most.set(label, found);
    }
  return [...most.values()].flat();
}

const best = (detections: readonly Detection[]): number => Math.max(...detections.map(({ score }) => score));
