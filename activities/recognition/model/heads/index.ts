/** The closed list of output formats that are understood. */
import type { Decoder } from '../detection.ts';
import { detrPostprocessed, detrSigmoid, detrSoftmax } from './detr.ts';
import { ssdlite, ssdTf } from './ssd.ts';
import type { SuppressOptions } from './suppress.ts';
import { endToEnd, yolov5, yolov8, yolox } from './yolo.ts';

export interface Head {
  readonly decode: Decoder;
  /** What the family's authors suppress with; a model card can change it, and a request. */
  readonly suppress: SuppressOptions;
  /** Counts changes of what the family's outputs are made into; part of the digests of results. Absent: none so far. */
  readonly revision?: number;
}

const none: SuppressOptions = { iou: 1, iouAcrossClasses: 1 };
const classWise = (iou: number): SuppressOptions => ({ iou, iouAcrossClasses: 1 });

export const heads = {
  // ultralytics/yolov5 detect.py and WongKinYiu/yolov7 detect.py: --iou-thres 0.45.
  yolov5: { decode: yolov5, suppress: classWise(0.45) },
  // meituan/YOLOv6 tools/infer.py: --iou-thres 0.45.
  yolov6: { decode: yolov5, suppress: classWise(0.45) },
  // ultralytics/ultralytics cfg/default.yaml: iou 0.7. It was 0.45 here before.
  yolov8: { decode: yolov8, suppress: classWise(0.7), revision: 1 },
  'end-to-end': { decode: endToEnd, suppress: none },
  // Megvii-BaseDetection/YOLOX demo/ONNXRuntime/onnx_inference.py: nms_thr 0.45.
  yolox: { decode: yolox, suppress: classWise(0.45) },
  'yolox-decoded': { decode: yolov5, suppress: classWise(0.45) },
  'detr-sigmoid': { decode: detrSigmoid, suppress: none },
  'detr-softmax': { decode: detrSoftmax, suppress: none },
  'detr-postprocessed': { decode: detrPostprocessed, suppress: none },
  'ssd-tf': { decode: ssdTf, suppress: none },
  // tensorflow/models ssdlite_mobilenet_v2_coco.config: iou_threshold 0.6; across classes too, which is ours.
  ssdlite: { decode: ssdlite, suppress: { iou: 0.6, iouAcrossClasses: 0.6 } },
} as const satisfies Record<string, Head>;

export type HeadName = keyof typeof heads;
export const headNames = Object.keys(heads) as [HeadName, ...HeadName[]];

/** The family of that name. */
export const familyOf = (name: HeadName): Head => heads[name];
