/** The story of a tally: the texts are counted page by page, then the job is published. */
import { defineJob, pagesOf } from '@darkroom/workflows/job.ts';
import type { TallyActivities } from './activities.ts';

interface TallyQueues {
  tally: TallyActivities;
}

export const tally = defineJob<TallyQueues>(async ({ on, items, stage }, { items: texts }) => {
  const { countLetters, publishTally } = on('tally');
  await items('count', (from) => pagesOf(texts, 4, from), countLetters);
  return stage('publish', publishTally);
});
