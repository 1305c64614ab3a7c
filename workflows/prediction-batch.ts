/** The story of a batch prediction: its pictures are found, predicted page by page, and what came of them is written as files. */
import { defineJob, pagesByTime } from './job.ts';

export const predictionBatch = defineJob(async ({ on, turns, stage, items }) => {
  const { planPictures, predictPictures, publishPredictions } = on('recognition');
  // A large archive takes several.
  const { found } = await turns('plan', planPictures);
  await items('predict', (from) => pagesByTime(found, from), predictPictures, { atOnce: 2 });
  return stage('publish', publishPredictions);
});
