/** The story of a photo task: each page of photos is read, recognised and drawn, then the task is published. */
import type { RecognitionActivities } from '@darkroom/recognition/activities.ts';
import { defineJob, pagesOf } from './job.ts';

/** Small enough that the lanes share a task evenly, large enough that an activity's own cost does not show. */
const photosInPage = 24;

export const photo = defineJob(async ({ on, items, stage }, { items: photos, cursor }) => {
  const recognition = on<RecognitionActivities>('recognition');
  await items('recognise', pagesOf(photos, photosInPage, cursor), recognition.analysePhotos);
  return stage('publish', recognition.publishPhotos);
});
