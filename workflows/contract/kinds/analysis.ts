/** Recognition in photos and videos alike: request, segments, the task. */
import { z } from 'zod';
import { itemState, jobState, progress } from '../jobs/job.ts';
import { problemRecord } from '../problems/problem.ts';
import { analysisOptions, detection, modelIdentity, storableText } from './photo.ts';
import { labelOverTime, scene, videoInfo, videoOptions } from './video.ts';

/**
 * Which of the two a source is, its content tells; an option of videos alone is refused for a photo. So this is what may come in, and
 * the options are read by the kind's own schema.
 */
export const analysisRequest = z
  .strictObject({
    source: z.string().max(2000).optional().meta({
      description: 's3://bucket/key of a photo or a video, or s3://bucket/prefix/ of up to 1,000 photos.',
      example: 's3://darkroom-samples/photos/',
    }),
    upload: storableText(100).optional().meta({ description: 'Id of a completed upload of /v1/uploads.' }),
    ...videoOptions.shape,
  })
  .refine((r) => (r.source === undefined) !== (r.upload === undefined), {
    message: 'give exactly one of source and upload',
    path: ['source'],
  })
  .meta({ id: 'AnalysisRequest' });
export type AnalysisRequest = z.infer<typeof analysisRequest>;

export const segmentLinks = z
  .object({
    source: z.string().optional().meta({ description: 'The photo.' }),
    image: z.string().optional().meta({ description: 'The frame of the scene at full size.' }),
    annotated: z.string().optional().meta({ description: 'The picture with boxes and labels, JPEG.' }),
    result: z.string().optional().meta({ description: 'What was found, JSON (PhotoResult).' }),
  })
  .meta({ id: 'SegmentLinks', description: 'Presigned links, valid for some minutes.' });

export const segment = z
  .object({
    task_id: z.string(),
    segment_id: z.int(),
    filename: z.string(),
    state: itemState,
    width: z.int().nullable(),
    height: z.int().nullable(),
    scene: scene.nullable().meta({ description: 'Of a video; null for a photo.' }),
    detections: z.array(detection),
    problem: problemRecord.nullable(),
    links: segmentLinks,
  })
  .meta({ id: 'Segment' });
export type Segment = z.infer<typeof segment>;

/** A label with how often it was found; when, once a video has been analysed. */
export const foundLabel = z
  .object({
    ...labelOverTime.pick({ label: true, count: true, bestScore: true }).shape,
    ...labelOverTime.pick({ firstSeen: true, lastSeen: true, share: true }).partial().shape,
  })
  .meta({ id: 'FoundLabel' });

const videoLink = (description: string) => z.string().optional().meta({ description });

export const analysisLinks = z
  .object({
    self: z.string(),
    segments: z.string(),
    coco: z.string().meta({ description: 'Findings as COCO JSON.' }),
    csv: z.string().meta({ description: 'Findings as CSV.' }),
    job: z.string(),
    events: z.string(),
    cancel: z.string(),
    results: z.string(),
    poster: videoLink('JPEG.'),
    storyboard: videoLink('A sheet of all scenes, JPEG.'),
    thumbnails: videoLink('A track for players, WebVTT.'),
    scenes: videoLink('The scenes as JSON.'),
    scenesCsv: videoLink('The scenes as CSV.'),
    edl: videoLink('The scenes as an edit decision list, CMX 3600.'),
    statistics: videoLink('What was measured of each picture, CSV; where it was asked for.'),
  })
  .meta({
    id: 'AnalysisLinks',
    description:
      'Addresses of the API, which need a key. Those from `poster` on are of a video that has been analysed: good for some minutes, without a key.',
  });
export type AnalysisLinks = z.infer<typeof analysisLinks>;

const task = {
  task_id: z.string(),
  state: jobState,
  progress,
  segments: z.object({ total: z.int(), succeeded: z.int(), failed: z.int() }).meta({ id: 'SegmentCounts' }),
  labels: z.array(foundLabel).meta({ description: 'What was found in the segments finished so far.' }),
  model: modelIdentity.nullable(),
  problem: problemRecord.nullable(),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  links: analysisLinks,
};

export const photoAnalysis = z
  .object({
    ...task,
    media: z.literal('photo'),
    options: analysisOptions,
    video: z.null().meta({ description: 'Always null for photos.' }),
  })
  .meta({ id: 'PhotoAnalysis' });

export const videoAnalysis = z
  .object({
    ...task,
    media: z.literal('video'),
    options: videoOptions,
    video: videoInfo.nullable().meta({
      description: 'What the file says of itself; null until it has been looked into.',
    }),
  })
  .meta({ id: 'VideoAnalysis' });

/** A task; `media` tells which of the two it is. */
export const analysis = z
  .discriminatedUnion('media', [photoAnalysis, videoAnalysis])
  .meta({ id: 'Analysis', description: 'A task; `media` tells which of the two it is.' });
export type Analysis = z.infer<typeof analysis>;
