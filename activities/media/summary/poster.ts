/** The one frame that stands for a video. */
import type { FoundScene } from './found-scene.ts';
import type { Look } from './painter.ts';

/** Of the best detections of a frame, so many count: a crowd says no more than a few. */
const detectionsThatCount = 5;
/** Darker, brighter or flatter frames are taken only where there are no others: titles, black, fades. */
const dark = 0.12;
const glaring = 0.92;
const flat = 0.06;

/**
 * The number of the scene whose frame tells most: most is found in it (the sum of its five best scores), and its scene is long (its share of the
 * longest one's time, so that length decides among frames with about as much on them). Frames that are nearly black, white or blank are
 * passed over if there are others; among equals the first wins. `looks` says which scenes are to choose from; undefined if none are.
 */
export function choosePoster(
  scenes: readonly FoundScene[],
  looks: ReadonlyMap<number, Look>,
): number | undefined {
  const candidates = scenes.filter(({ number }) => looks.has(number));
  const clear = candidates.filter(({ number }) => isClear(looks.get(number)));
  const longest = Math.max(...candidates.map(({ scene }) => scene.end - scene.start));
  const tells = ({ scene, detections }: FoundScene): number =>
    sumOfBest(detections ?? []) + (longest > 0 ? (scene.end - scene.start) / longest : 0);
  let best: { number: number; tells: number } | undefined;
  for (const candidate of clear.length > 0 ? clear : candidates) {
    const worth = tells(candidate);
    if (best === undefined || worth > best.tells) best = { number: candidate.number, tells: worth };
  }
  return best?.number;
}

const isClear = (look: Look | undefined): boolean =>
  look !== undefined && look.brightness >= dark && look.brightness <= glaring && look.contrast >= flat;

function sumOfBest(detections: NonNullable<FoundScene['detections']>): number {
  const scores = detections.map(({ score }) => score).sort((a, b) => b - a);
  return scores.slice(0, detectionsThatCount).reduce((sum, score) => sum + score, 0);
}
