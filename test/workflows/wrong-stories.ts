/** Stories that do not compile: `npm run types` fails when one of them does. Nobody runs them. */
import { defineJob, pagesOf } from '@darkroom/workflows/job.ts';

export const wrongQueue = defineJob(async ({ on, stage }) => {
  // @ts-expect-error: the machines of recognition have no activities of media.
  return stage('publish', on('recognition').publishVideo, []);
});

export const noQueue = defineJob(async ({ on, stage }) => {
  // @ts-expect-error: nobody serves such a queue.
  return stage('publish', on('recognise').publishPhotos);
});

export const wrongArguments = defineJob(async ({ on, stage }) => {
  // @ts-expect-error: it takes the exports.
  return stage('publish', on('media').publishVideo);
});

export const noPages = defineJob(async ({ on, items, stage }, { items: photos }) => {
  // @ts-expect-error: it works on no page.
  await items('recognise', (from) => pagesOf(photos, 10, from), on('recognition').modelRoom);
  return stage('publish', on('recognition').publishPhotos);
});

export const noActivityOfAJob = defineJob(async ({ on, step, stage }, { jobId }) => {
  // @ts-expect-error: maintenance carries no fence.
  await step('publish', on('light').removeRows, jobId);
  return stage('publish', on('recognition').publishPhotos);
});
