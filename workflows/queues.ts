/** Which activities the workers of each task queue have: what a story may ask of a queue. Types only. */
import type { queues } from '@darkroom/contract';
import type { MaintenanceActivities } from '@darkroom/dispatch';
import type { FrameActivities } from '@darkroom/frame';
import type { MediaActivities } from '@darkroom/media/activities.ts';
import type { BatchActivities } from '@darkroom/recognition/batch/activities.ts';
import type { RecognitionActivities } from '@darkroom/recognition/jobs/activities.ts';
import type { PredictionActivities } from '@darkroom/recognition/predict/activities.ts';
import type { CutoutJobActivities } from '@darkroom/sky/jobs/activities.ts';
import type { CutoutActivities } from '@darkroom/sky/realtime/activities.ts';

export interface QueueActivities extends Record<(typeof queues)[keyof typeof queues], object> {
  light: FrameActivities & MaintenanceActivities;
  recognition: RecognitionActivities & BatchActivities;
  media: MediaActivities;
  interactive: PredictionActivities;
  'sky-realtime': CutoutActivities;
  sky: CutoutJobActivities;
  'sky-mosaic': Pick<CutoutJobActivities, 'cutCutouts'>;
}
