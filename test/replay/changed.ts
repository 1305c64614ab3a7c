/** The story of a photo task, changed without `patched()`: what replay has to notice. */
import type { RecognitionActivities } from '@darkroom/recognition/activities.ts';
import { defineJob, pagesOf } from '@darkroom/workflows/job.ts';

export const photo = defineJob(async ({ on, items, stage }, { items: photos, cursor }) => {
  const recognition = on<RecognitionActivities>('recognition');
  const end = await stage('publish', recognition.publishPhotos);
  await items('recognise', pagesOf(photos, 16, cursor), recognition.analysePhotos);
  return end;
});
