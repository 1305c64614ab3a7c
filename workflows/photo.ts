/** The story of a photo task: each page of photos is read, recognised and drawn, then the task is published: by the page itself, where that is all of them. */
import { defineJob, pagesOf } from './job.ts';

/** Small enough that the pages in hand share a task evenly, large enough that an activity's own cost does not show. */
const photosInPage = 24;

export const photo = defineJob(async ({ on, items, stage }, { items: photos }) => {
  const { analysePhotos } = on('recognition', '5 minutes');
  const end = await items('recognise', (from) => pagesOf(photos, photosInPage, from), analysePhotos);
  return end ?? stage('publish', on('recognition').publishPhotos);
});
