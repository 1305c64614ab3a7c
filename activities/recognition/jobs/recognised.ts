/** What recognition makes of a picture, photo or frame: its digest, its files, its rows. */
import { createHash } from 'node:crypto';
import { insertSegment } from '@darkroom/analysis';
import type { AnalysisOptions, MediaSource, ModelIdentity, PhotoResult, Scene } from '@darkroom/contract';
import type { ItemOutcome } from '@darkroom/frame';
import type { ItemFile, ItemRow } from '@darkroom/records';
import { formatUri } from '@darkroom/storage';
import type { Wanted } from '../model/detect.ts';
import type { Detection } from '../model/detection.ts';
import { familyOf } from '../model/heads/index.ts';
import type { Model } from '../model/session.ts';
import { decodingRevision } from '../picture/revision.ts';

/** What of a model the bytes of a result are a function of. */
export type ModelInUse = Pick<Model, 'identity' | 'head' | 'suppress'>;

/** What the bytes of a result are a function of: `source` says what the picture is. */
export function resultDigest(
  source: readonly (string | number)[],
  options: AnalysisOptions,
  model: ModelInUse,
): string {
  const { scoreThreshold, annotate } = options;
  const labels = [...options.labels].sort();
  const parts = [1, ...source, model.identity.digest, scoreThreshold, labels, annotate];
  // Absent where there is nothing of it, so that digests of before stay equal.
  const { iou, classAgnostic, maxDetections } = options;
  const thresholds = Object.entries(options.thresholds ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const more = {
    ...familyRevision(model),
    ...(thresholds.length > 0 && { thresholds }),
    ...(iou !== undefined && { iou }),
    ...(classAgnostic !== undefined && { classAgnostic }),
    ...(maxDetections !== undefined && { maxDetections }),
  };
  return createHash('sha256')
    .update(JSON.stringify(Object.keys(more).length === 0 ? parts : [...parts, more]))
    .digest('hex');
}

/** What the bytes of a photo's result are a function of. */
export function photoDigest(
  { etag, bytes, filename }: Pick<MediaSource, 'etag' | 'bytes' | 'filename'>,
  options: AnalysisOptions,
  model: ModelInUse,
): string {
  const decoding = decodingRevision(filename);
  return resultDigest([etag, bytes, ...(decoding === undefined ? [] : [decoding])], options, model);
}

/** All revisions so far are of what boxes are suppressed at: a card that says it itself gives what it gave before. */
function familyRevision({ head, suppress }: ModelInUse): { revision?: number } {
  const { revision, suppress: own } = familyOf(head);
  return revision === undefined || suppress.iou !== own.iou ? {} : { revision };
}

/** What a job's options want reported. */
export const wantedOf = ({ scoreThreshold, ...options }: AnalysisOptions): Wanted => ({
  threshold: scoreThreshold,
  labels: options.labels,
  thresholds: options.thresholds,
  iou: options.iou,
  classAgnostic: options.classAgnostic,
  maxDetections: options.maxDetections,
});

export interface Recognised {
  readonly filename: string;
  readonly sourceUri: string;
  /** Pixels; of boxes too. */
  readonly width: number;
  readonly height: number;
  readonly format: string;
  readonly model: ModelIdentity;
  readonly scoreThreshold: number;
  readonly detections: readonly Detection[];
  /** JPEG with boxes drawn, where it was asked for. */
  readonly annotated?: Buffer | undefined;
  /** Of a frame: where in the video it stands for what, and its picture as the split has written it. */
  readonly frame?: { readonly scene: Scene; readonly image: Omit<ItemFile, 'path' | 'contentType'> };
}

/** The JSON result, the annotated picture, and the rows of a segment, all of them as what its item is published with. */
export function outcomeOf({ jobId, ordinal }: ItemRow, of: Recognised, bucket: string): ItemOutcome {
  const { width, height, format, model, scoreThreshold, frame } = of;
  const detections = [...of.detections];
  const scene = frame && { scene: frame.scene };
  const result: PhotoResult = { width, height, format, ...scene, model, scoreThreshold, detections };
  const file = (name: string, body: Buffer, contentType: string) => ({
    key: `recognition-results/${jobId}/${name}`,
    path: name,
    body,
    contentType,
  });
  const json = file(`${ordinal}_result.json`, Buffer.from(JSON.stringify(result)), 'application/json');
  const drawn = of.annotated && file(`${ordinal}_result.jpg`, of.annotated, 'image/jpeg');
  return {
    objects: drawn === undefined ? [json] : [json, drawn],
    ...(frame && {
      written: [{ path: `image_${ordinal}.jpg`, ...frame.image, contentType: 'image/jpeg' }],
    }),
    record: (tx) =>
      insertSegment(tx, {
        jobId,
        segmentId: ordinal,
        filename: of.filename,
        sourceUri: of.sourceUri,
        width,
        height,
        ...scene,
        imageUri: frame?.image.uri,
        resultUri: formatUri({ bucket, key: json.key }),
        annotatedUri: drawn && formatUri({ bucket, key: drawn.key }),
        detections,
      }),
  };
}
