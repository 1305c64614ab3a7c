/** The story of a batch prediction: its pictures are found, predicted page by page, and what came of them is written as files. */
import { defineJob, pagesByTime } from './job.ts';

export const predictionBatch = defineJob(async ({ on, step, stage, items }) => {
  const { planPictures, predictPictures, publishPredictions } = on('recognition');
  let planned = await step('plan', planPictures);
  // A large archive takes several turns.
  while (!planned.done) planned = await step('plan', planPictures);
  const { found } = planned;
  await items('predict', (from) => pagesByTime(found, from), predictPictures, { atOnce: 2 });
  return stage('publish', publishPredictions);
});
