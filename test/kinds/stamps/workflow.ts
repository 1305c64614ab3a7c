/** The story of a job of stamps: its catalogue is planned and measured, its stamps are made tile by tile, then it is published. */
import { defineJob } from '@darkroom/workflows/job.ts';
import type { StampsActivities } from './activities.ts';

interface StampsQueues {
  stamps: StampsActivities;
}

export const stamps = defineJob<StampsQueues>(async ({ on, stage, items, groups }) => {
  const { planStamps, measureStamps, makeStamps, publishStamps } = on('stamps');
  await stage('plan', planStamps);
  await stage('measure', measureStamps);
  await items('stamp', groups('stamp'), makeStamps, { atOnce: 8 });
  return stage('publish', publishStamps);
});
