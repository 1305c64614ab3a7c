/** Recognition in photos and videos alike: request, segments, the task. */
import { z } from 'zod';
import { jobState, progress } from './job.ts';
import { analysisOptions, detection, modelIdentity } from './photo.ts';
import { problemRecord } from './problem.ts';
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
    upload: z.string().optional().meta({ description: 'Id of a completed upload of /v1/uploads.' }),
    ...videoOptions.shape,
  })
  .refine((r) => (r.source === undefined) !== (r.upload === undefined), {
    message: 'give exactly one of source and upload',
    path: ['source'],
  })
  .meta({ id: 'AnalysisRequest' });
export type AnalysisRequest = z.infer<typeof analysisRequest>;

export const segment = z
  .object({
    task_id: z.string(),
    segment_id: z.int(),
    filename: z.string(),
    state: z.enum(['pending', 'running', 'succeeded', 'failed']),
    width: z.int().nullable(),
    height: z.int().nullable(),
    scene: scene.nullable().meta({ description: 'Of a video; null for a photo.' }),
    detections: z.array(detection),
    problem: problemRecord.nullable(),
    links: z
      .object({
        source: z.string().optional().meta({ description: 'The photo.' }),
        image: z.string().optional().meta({ description: 'The frame of the scene at full size.' }),
        annotated: z.string().optional(),
        result: z.string().optional(),
      })
      .meta({ description: 'Presigned links, valid for some minutes.' }),
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

export const analysis = z
  .object({
    task_id: z.string(),
    media: z.enum(['photo', 'video']),
    state: jobState,
    progress,
    segments: z.object({ total: z.int(), succeeded: z.int(), failed: z.int() }),
    labels: z.array(foundLabel).meta({ description: 'What was found in the segments finished so far.' }),
    video: videoInfo.nullable().meta({
      description: 'What the file says of itself; null for photos, and until it has been looked into.',
    }),
    model: modelIdentity.nullable(),
    options: z.union([videoOptions, analysisOptions]),
    problem: problemRecord.nullable(),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
    links: z.record(z.string(), z.string()).meta({
      description:
        'Of a video that has been analysed also its poster, storyboard, thumbnails (WebVTT) and scenes (JSON, CSV, EDL): good for some minutes, without a key.',
    }),
  })
  .meta({ id: 'Analysis' });
export type Analysis = z.infer<typeof analysis>;
