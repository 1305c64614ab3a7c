/** Video recognition: options, what is known of a video, its scenes. Times are seconds from the start of the video. */
import { z } from 'zod';
import { type KindDefinition, queues } from '../jobs/kind.ts';
import { analysisOptions, sourceBytesOf, sourceUriOf } from './photo.ts';

/** Longer than any video, and few enough that a decoder can count them in its units of time. */
const mostSeconds = 100_000_000;

export const videoOptions = z
  .strictObject({
    ...analysisOptions.shape,
    mode: z.enum(['exact', 'fast']).default('exact').meta({
      description:
        '`exact` decodes every frame; `fast` compares key frames and decodes only where they differ, for archives where speed counts more than the last cut.',
    }),
    from: z
      .number()
      .min(0)
      .max(mostSeconds)
      .default(0)
      .meta({ description: 'Seconds into the video at which to begin.' }),
    to: z
      .number()
      .positive()
      .max(mostSeconds)
      .nullable()
      .default(null)
      .meta({ description: 'Seconds into the video at which to end; null means at its end.' }),
    shortestScene: z.number().min(0).max(60).default(0.5).meta({
      description:
        'Seconds a scene lasts at least; of two cuts closer to each other the stronger counts. At most half of longestScene counts.',
    }),
    longestScene: z.number().min(5).max(600).default(60).meta({
      description:
        'Seconds after which a scene is divided; a rest shorter than shortestScene stays with the part before it.',
    }),
    cutThreshold: z.number().min(1).max(10).default(3).meta({
      description:
        'How much more than its neighbours a picture must change for a cut; lower finds more, higher fewer.',
    }),
    // Absent, not a default, for the reason that the options of photos say; null takes it away where a job runs again.
    sampleEvery: z.number().min(0.01).max(3600).nullable().optional().meta({
      description:
        'Seconds after which another frame of a scene is analysed: a long scene then gives several, each of them a segment with its own time and the number of its scene. Absent or null: one frame a scene.',
    }),
    gradual: z
      .boolean()
      .default(true)
      .meta({ description: 'Whether fades, dissolves and wipes are looked for.' }),
    // What a job of before does not have stays absent: its digests and fingerprints are what they were.
    statistics: z.boolean().optional().meta({
      description:
        'Whether the task has statistics.csv: of each picture that was looked at what was measured and what it speaks for, to choose cutThreshold by.',
    }),
  })
  .refine(({ from, to }) => to === null || to > from, { message: 'has to lie after from', path: ['to'] })
  .meta({ id: 'VideoOptions' });
export type VideoOptions = z.infer<typeof videoOptions>;

/**
 * How a scene begins: `start` of the video or range, `cut`, `fade`, `dissolve`, `wipe`, or `divided` because it was too long; `sample` where
 * it only goes on, and another frame of it was asked for (`sampleEvery`).
 */
export const boundary = z
  .enum(['start', 'cut', 'fade', 'dissolve', 'wipe', 'divided', 'sample'])
  .meta({ id: 'Boundary' });
export type Boundary = z.infer<typeof boundary>;

/** A scene, or with `sampleEvery` a part of one, and the frame in the middle of its time. Seconds are told to six decimals. */
export const scene = z
  .object({
    number: z.int().positive().optional().meta({
      description:
        'Of the scene, from 1; told with `sampleEvery`: segments of one number are parts of one scene.',
    }),
    start: z.number().meta({ description: 'Seconds; the first frame of the scene.' }),
    end: z
      .number()
      .meta({ description: 'Seconds; the first frame that is no longer in it, or the end of the video.' }),
    begins: boundary.meta({ description: 'How the scene begins.' }),
    score: z.number().nullable().meta({
      description:
        'How clear its beginning is, in thresholds, to two decimals; null where nothing was compared.',
    }),
    transition: z
      .object({ from: z.number(), to: z.number() })
      .meta({ id: 'Transition' })
      .nullable()
      .meta({ description: 'Seconds from and to which a fade, dissolve or wipe lasts; null otherwise.' }),
    frame: z
      .object({
        at: z.number().meta({ description: 'Seconds; presentation time of the frame.' }),
        pts: z.number().meta({ description: 'The same in time base units of the stream.' }),
        offset: z.number().meta({ description: 'Seconds from the middle of the scene; negative is before.' }),
      })
      .meta({ id: 'SceneFrame', description: 'The frame that stands for the scene.' }),
  })
  .meta({ id: 'Scene' });
export type Scene = z.infer<typeof scene>;

/** What is known of a video before it is decoded; pinned by the first attempt. */
export const videoInfo = z
  .object({
    container: z.string(),
    codec: z.string(),
    pixelFormat: z.string(),
    width: z.int().meta({ description: 'Pixels as shown: rotated upright, pixels square.' }),
    height: z.int(),
    rotation: z.int().meta({ description: 'Degrees clockwise that the file says to turn the picture.' }),
    seconds: z.number().nullable().meta({ description: 'Length; null where the file does not say.' }),
    framesPerSecond: z.number().nullable().meta({ description: 'On average.' }),
    interlaced: z.boolean(),
    hdr: z.boolean(),
    videoStreams: z.int().meta({ description: 'Pictures in the file; the default one is analysed.' }),
    timecode: z.string().optional().meta({
      description:
        'Time code of second 0 (HH:MM:SS:FF, `;` before the frames where numbers are dropped), where the source has one of its own.',
    }),
  })
  .meta({ id: 'VideoInfo' });
export type VideoInfo = z.infer<typeof videoInfo>;

/** A scene of a task as the split left it; the `input` of its item. */
export interface FrameSource {
  readonly filename: string;
  readonly scene: Scene;
  /** The frame as JPEG at full size. */
  readonly imageUri: string;
  /** The frame resized for the model, PNG. */
  readonly inputUri: string;
  /** SHA-256 of the two. */
  readonly imageSha256: string;
  readonly inputSha256: string;
  readonly imageBytes: number;
  /** Absent where an older worker has split the video. */
  readonly imageCrc32?: number;
  /** Of the full size, pixels. */
  readonly width: number;
  readonly height: number;
}

/** The room a model has for a picture, pixels; what `fit` lays it into. */
export interface ModelRoom {
  readonly width: number;
  readonly height: number;
  readonly fit: 'letterbox' | 'letterbox-topleft' | 'stretch';
}

/**
 * Size, pixels, that a picture gets in the room, without padding; at least one pixel each way. Where a frame is resized and where
 * the model's boxes are led back it has to be the same.
 */
export function placedSize(
  room: ModelRoom,
  { width, height }: { readonly width: number; readonly height: number },
): { width: number; height: number } {
  if (room.fit === 'stretch') return { width: room.width, height: room.height };
  const scale = Math.min(room.width / width, room.height / height);
  const within = (length: number, most: number) => Math.min(most, Math.max(1, Math.round(length * scale)));
  return { width: within(width, room.width), height: within(height, room.height) };
}

/** Segments by ordinal that are ready to be recognised: `from` inclusive, `to` exclusive. */
export interface SplitPage {
  readonly from: number;
  readonly to: number;
  /** Whether the video has no more after these. */
  readonly done: boolean;
}

/** A label over the time of a video. */
export const labelOverTime = z
  .object({
    label: z.string(),
    count: z.int().meta({ description: 'How many were found, over all scenes.' }),
    bestScore: z.number(),
    firstSeen: z.number().meta({ description: 'Seconds; the first frame in which it was found.' }),
    lastSeen: z.number().meta({ description: 'Seconds; the last frame in which it was found.' }),
    share: z.number().min(0).max(1).meta({
      description: 'Share of the analysed time that the scenes take in whose frame it was found.',
    }),
  })
  .meta({ id: 'LabelOverTime' });
export type LabelOverTime = z.infer<typeof labelOverTime>;

/** What a video task is published with beside the results of its scenes; the paths are relative to the first of the kind's outputs. */
export const videoFiles = {
  poster: { path: 'poster.jpg', contentType: 'image/jpeg' },
  storyboard: { path: 'storyboard.jpg', contentType: 'image/jpeg' },
  thumbnails: { path: 'thumbnails.vtt', contentType: 'text/vtt' },
  scenes: { path: 'scenes.json', contentType: 'application/json' },
  scenesCsv: { path: 'scenes.csv', contentType: 'text/csv' },
  edl: { path: 'scenes.edl', contentType: 'text/plain' },
  statistics: { path: 'statistics.csv', contentType: 'text/csv' },
} as const;
export type VideoFile = keyof typeof videoFiles;

export const videoKind = {
  kind: 'video',
  title: 'Video recognition',
  workflow: 'video',
  input: videoOptions,
  queue: queues.recognition,
  stages: [
    { name: 'probe', unit: 'videos', weight: 1 },
    { name: 'split', unit: 'seconds', weight: 12 },
    { name: 'recognise', unit: 'scenes', weight: 3, itemsOf: 'recognise' },
    { name: 'annotate', unit: 'scenes', weight: 3, itemsOf: 'recognise' },
    { name: 'publish', unit: 'scenes', weight: 1, itemsOf: 'recognise' },
  ],
  sourceOf: sourceUriOf,
  sizes: {
    scenes: ({ stage }) => Number(stage === 'recognise'),
    // A scene has none: its pictures are made by the job.
    bytes: ({ stage, input }) => (stage === 'probe' ? sourceBytesOf(input) : 0),
  },
  // How long it is the file tells its first stage; before that its bytes are what is known.
  estimate: {
    seconds: { base: 3, per: { bytes: 1e-7 } },
    key: ({ mode, from, to }) => `${mode}${from !== 0 || to !== null ? ', a part' : ''}`,
  },
  inputs: (id: string) => `input-files/${id}/`,
  outputs: (id: string): [string, ...string[]] => [
    `recognition-results/${id}/`,
    `scene-images/${id}/`,
    `frame-inputs/${id}/`,
  ],
} as const satisfies KindDefinition;
