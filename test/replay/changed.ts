/** The story of a photo task, changed without `patched()`: what replay has to notice. */
import { defineJob, pagesOf } from '@darkroom/workflows/job.ts';

export const photo = defineJob(async ({ on, items, stage }, { items: photos }) => {
  const recognition = on('recognition');
  const end = await stage('publish', recognition.publishPhotos);
  await items('recognise', (from) => pagesOf(photos, 16, from), recognition.analysePhotos);
  return end;
});
