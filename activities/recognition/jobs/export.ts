/** Results of a task in the formats that other tools read: COCO JSON and CSV. Both are made piece by piece. */
import type { Detection, ModelLabel } from '@darkroom/contract';
import { csvLine } from '@darkroom/platform/csv.ts';
import { rounded } from '@darkroom/platform/rounded.ts';
import { COCO_IDS } from '../model/coco.ts';

/** One photo of a task, or the frame of a scene of its video. */
export interface ExportPhoto {
  readonly segmentId: number;
  /** Of a frame: its picture's, beside which the export lies. */
  readonly filename: string;
  /** Seconds of the video, where it is a frame: its scene, and the frame itself; and where it is a part of one, the number of the scene. */
  readonly scene?:
    | { readonly start: number; readonly end: number; readonly at: number; readonly scene?: number }
    | undefined;
  readonly width: number;
  readonly height: number;
  readonly detections: readonly Detection[];
}

/** Rows that can be gone through more than once, each time in the same order. */
export type ExportPhotos = () => AsyncIterable<ExportPhoto> | Iterable<ExportPhoto>;

/** COCO's own category ids, so that results can be compared with its annotations. */
const cocoIds: ReadonlyMap<string, number> = new Map(
  Object.entries(COCO_IDS).map(([id, label]) => [label, Number(id)]),
);
const FIRST_OWN_ID = 91;

/**
 * The category id of what was found. A model whose labels are all COCO's gives COCO's ids, whatever it numbers them itself; another one
 * its own numbers, the same in every task. Where the model is not known any more, or the number is none of a result of before, labels
 * that COCO lacks get ids in order of appearance.
 */
function categoryIds(
  list: readonly ModelLabel[] | undefined,
): (found: Pick<Detection, 'label' | 'classId'>) => number {
  const isOwn = list !== undefined && !list.every(({ label }) => cocoIds.has(label));
  const seen = new Map<string, number>();
  let next = Math.max(FIRST_OWN_ID, ...(list ?? []).map(({ classId }) => classId + 1));
  return ({ label, classId }) => {
    if (isOwn && classId !== undefined) return classId;
    const id = seen.get(label) ?? (isOwn ? undefined : cocoIds.get(label)) ?? next++;
    seen.set(label, id);
    return id;
  };
}

/**
 * COCO JSON (https://cocodataset.org/#format-data) in pieces: `bbox` is x y width height in pixels, `score` as in COCO's results
 * format. `list` are the labels of the model. Images that are frames of a video have also `start`, `end` and `at`, which are none of
 * COCO's own. Goes through the photos twice.
 */
export async function* cocoJson(
  photos: ExportPhotos,
  description: string,
  list?: readonly ModelLabel[],
): AsyncGenerator<string> {
  yield `{"info":${JSON.stringify({ description })},"images":[`;
  let separator = '';
  for await (const { segmentId, filename, width, height, scene } of photos()) {
    yield `${separator}${JSON.stringify({ id: segmentId, file_name: filename, width, height, ...scene })}`;
    separator = ',';
  }
  yield '],"annotations":[';
  separator = '';
  const categories = new Map<number, string>();
  const categoryOf = categoryIds(list);
  let id = 1;
  for await (const { segmentId, detections } of photos())
    for (const { label, classId, score, box } of detections) {
      const category = categoryOf({ label, classId });
      categories.set(category, label);
      const { x, y, width, height } = box;
      yield `${separator}${JSON.stringify({
        id: id++,
        image_id: segmentId,
        category_id: category,
        bbox: [x, y, width, height],
        area: rounded(width * height, 2),
        score,
        iscrowd: 0,
      })}`;
      separator = ',';
    }
  const sorted = [...categories]
    .map(([category, name]) => ({ id: category, name }))
    .sort((a, b) => a.id - b.id);
  yield `],"categories":${JSON.stringify(sorted)}}`;
}

const COLUMNS = [
  'segment_id',
  'filename',
  'image_width',
  'image_height',
  'label',
  'score',
  'x',
  'y',
  'width',
  'height',
];

const SCENE_COLUMNS = ['start', 'end', 'at'];

/** Last, so that those before it stay where they were. */
const CLASS_COLUMN = 'class_id';

/**
 * CSV (RFC 4180) line by line: a header, then one line per detection. With `scenes` there are columns for the times of frames as well.
 * Text can start no formula in a spreadsheet.
 */
export async function* csv(
  photos: ReturnType<ExportPhotos>,
  { scenes = false }: { readonly scenes?: boolean } = {},
): AsyncGenerator<string> {
  yield csvLine([...COLUMNS, ...(scenes ? SCENE_COLUMNS : []), CLASS_COLUMN]);
  for await (const photo of photos)
    for (const { label, classId, score, box } of photo.detections)
      yield csvLine([
        photo.segmentId,
        photo.filename,
        photo.width,
        photo.height,
        label,
        score,
        box.x,
        box.y,
        box.width,
        box.height,
        ...(scenes ? timesOf(photo) : []),
        classId ?? null,
      ]);
}

const timesOf = ({ scene }: ExportPhoto): (number | null)[] => [
  scene?.start ?? null,
  scene?.end ?? null,
  scene?.at ?? null,
];
