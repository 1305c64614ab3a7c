/** The stories of a survey, which is refined and simulated side by side, and of scans, each a program of hours; then they are published. */
import { defineJob, pagesOf } from '@darkroom/workflows/job.ts';
import type { SurveyActivities } from './activities.ts';

export const survey = defineJob<{ survey: SurveyActivities }>(async ({ on, stage }) => {
  const { refine, simulate } = on('survey', '3 hours');
  const [sum, simulated] = await Promise.all([stage('refine', refine), stage('simulate', simulate)]);
  return stage('publish', on('survey').publishSurvey, sum, simulated);
});

export const scans = defineJob<{ survey: SurveyActivities }>(
  async ({ on, items, stage }, { items: count }) => {
    await items('scan', (from) => pagesOf(count, 2, from), on('survey', '3 hours').scan);
    return stage('publish', on('survey').publishScans);
  },
);
