/** For tests: a model as a worker tells of it. */
import type { OpenedModel } from '@darkroom/contract';

export const opened = (changes: Partial<OpenedModel> = {}): OpenedModel => ({
  name: 'birds',
  version: '1',
  digest: 'd1',
  family: 'yolov8',
  guessed: true,
  understood: 'guessed',
  labels: [{ classId: 0, label: 'robin' }],
  input: {
    width: 64,
    height: 64,
    layout: 'nchw',
    colour: 'rgb',
    dtype: 'float32',
    scale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    fit: 'stretch',
    pad: 0,
  },
  ...changes,
});
