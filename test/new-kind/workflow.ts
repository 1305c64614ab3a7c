/** The story of a tally: the texts are counted page by page, then the job is published. */
import { defineJob, pagesOf } from '@darkroom/workflows/job.ts';
import type { TallyActivities } from './activities.ts';

export const tally = defineJob(async ({ on, items, stage }, { items: texts, cursor }) => {
  const activities = on<TallyActivities>('tally');
  await items('count', pagesOf(texts, 4, cursor), activities.countLetters);
  return stage('publish', activities.publishTally);
});
