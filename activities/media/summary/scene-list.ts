/** The scenes of a video as a list for programs (JSON) and people (CSV). */
import type { VideoInfo } from '@darkroom/contract';
import { csvLine } from '@darkroom/platform/csv.ts';
import type { FoundScene } from './found-scene.ts';

interface FoundLabel {
  readonly label: string;
  readonly count: number;
  readonly bestScore: number;
}

/** JSON with the video and all its scenes, the labels of each best first; `labels` is null where the frame could not be analysed. */
export function sceneJson(scenes: readonly FoundScene[], video: VideoInfo): string {
  const list = scenes.map(({ number, scene, detections }) => ({
    number,
    ...scene,
    labels: labelsOf(detections),
  }));
  return `${JSON.stringify({ video, scenes: list }, null, 1)}\n`;
}

const columns = [
  'scene',
  'start',
  'end',
  'begins',
  'score',
  'transition_from',
  'transition_to',
  'frame_at',
  'frame_pts',
  'frame_offset',
  'labels',
];

/** CSV (RFC 4180) with a header and a line per scene; times in seconds, labels best first as `cat 0.97; dog 0.5`. */
export function sceneCsv(scenes: readonly FoundScene[]): string {
  const lines = scenes.map(({ number, scene, detections }) =>
    csvLine([
      number,
      scene.start,
      scene.end,
      scene.begins,
      scene.score,
      scene.transition?.from ?? null,
      scene.transition?.to ?? null,
      scene.frame.at,
      scene.frame.pts,
      scene.frame.offset,
      labelsOf(detections)
        ?.map(({ label, bestScore }) => `${label} ${bestScore}`)
        .join('; ') ?? null,
    ]),
  );
  return csvLine(columns) + lines.join('');
}

/** Each label once, the best score first. */
function labelsOf(detections: FoundScene['detections']): FoundLabel[] | null {
  if (detections === null) return null;
  const scores = Map.groupBy(detections, ({ label }) => label);
  return [...scores]
    .map(([label, found]) => ({
      label,
      count: found.length,
      bestScore: Math.max(...found.map(({ score }) => score)),
    }))
    .sort((a, b) => b.bestScore - a.bestScore || (a.label < b.label ? -1 : 1));
}
