/** Stories over the toy kind's activities beside its own: pages by their time, and pages by group. */
import { defineJob, pagesByTime } from '@darkroom/workflows/job.ts';
import type { TallyActivities } from '../new-kind/activities.ts';

export * from '../new-kind/workflows.ts';

/** One page at a time, so that each may follow what was measured. */
export const talliesByTime = defineJob<{ tally: TallyActivities }>(
  async ({ on, items, stage }, { items: texts }) => {
    const { countLetters, publishTally } = on('tally');
    await items('count', (from) => pagesByTime(texts, from), countLetters, { atOnce: 1 });
    return stage('publish', publishTally);
  },
);

export const talliesByGroup = defineJob<{ grouped: TallyActivities }>(
  async ({ on, items, groups, stage }) => {
    const { countLetters, publishTally } = on('grouped');
    await items('count', groups('count'), countLetters, { atOnce: 8 });
    return stage('publish', publishTally);
  },
);
