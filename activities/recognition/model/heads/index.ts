/** The closed list of output formats that are understood. */
import type { Decoder } from '../detection.ts';
import { detrPostprocessed, detrSigmoid, detrSoftmax } from './detr.ts';
import { ssdlite, ssdTf } from './ssd.ts';
import type { SuppressOptions } from './suppress.ts';
import { endToEnd, yolov5, yolov8, yolox } from './yolo.ts';

interface Head {
  readonly decode: Decoder;
  /** What the family's authors suppress with; a model card can change it. */
  readonly suppress: SuppressOptions;
}

const none: SuppressOptions = { iou: 1, iouAcrossClasses: 1 };
const classWise: SuppressOptions = { iou: 0.45, iouAcrossClasses: 1 };

export const heads = {
  yolov5: { decode: yolov5, suppress: classWise },
  yolov8: { decode: yolov8, suppress: classWise },
  'end-to-end': { decode: endToEnd, suppress: none },
  yolox: { decode: yolox, suppress: classWise },
  'detr-sigmoid': { decode: detrSigmoid, suppress: none },
  'detr-softmax': { decode: detrSoftmax, suppress: none },
  'detr-postprocessed': { decode: detrPostprocessed, suppress: none },
  'ssd-tf': { decode: ssdTf, suppress: none },
  ssdlite: { decode: ssdlite, suppress: { iou: 0.6, iouAcrossClasses: 0.6 } },
} as const satisfies Record<string, Head>;

export type HeadName = keyof typeof heads;
export const headNames = Object.keys(heads) as [HeadName, ...HeadName[]];
