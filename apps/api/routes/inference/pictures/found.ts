/** What was found on pictures, as tensors: of a classifier the classes, of a detector the boxes of all pictures one after the other. */
import type { OpenedModel } from '@darkroom/contract';
import type { PredictionRow } from '@darkroom/prediction';
import { classPorts, classTensors, floats, longs } from '@darkroom/prediction/tensors/classes.ts';
import type { Port, Tensor } from '@darkroom/prediction/tensors/tensor.ts';

/** The input that takes encoded pictures in place of the model's own. */
export const pictureInput = { name: 'image', datatype: 'BYTES' } as const;

const boxes: readonly Port[] = [
  ...classPorts,
  { name: 'box', datatype: 'FP32', shape: [-1, 4] },
  { name: 'image_index', datatype: 'INT64', shape: [-1] },
];

type Family = Pick<OpenedModel, 'family'>;

/** What a model of that family gives for pictures. */
export const outputsFound = ({ family }: Family): readonly Port[] =>
  family === 'classifier' ? classPorts : boxes;

/**
 * What the rows of pictures say, in their order. Of a classifier: [pictures], the best class of each, or [pictures, k] where `topK` is
 * given. Of a detector: [boxes], and for each box the picture that it is on, and x, y, width and height in pixels of that.
 */
export function foundOn(
  { family }: Family,
  rows: readonly PredictionRow[],
  topK: number | undefined,
): readonly Tensor[] {
  if (family === 'classifier') {
    const best = rows.map(({ output }) => (output?.top ?? []).slice(0, topK ?? 1));
    const shape = topK === undefined ? [rows.length] : [rows.length, best[0]?.length ?? 0];
    return classTensors(best.flat(), shape);
  }
  const found = rows.flatMap(({ output }, index) =>
    (output?.detections ?? []).map((detection) => ({
      ...detection,
      classId: detection.classId ?? -1,
      index,
    })),
  );
  const corners = found.flatMap(({ box: { x, y, width, height } }) => [x, y, width, height]);
  return [
    ...classTensors(found),
    { name: 'box', datatype: 'FP32', shape: [found.length, 4], data: floats(corners) },
    {
      name: 'image_index',
      datatype: 'INT64',
      shape: [found.length],
      data: longs(found.map(({ index }) => index)),
    },
  ];
}
