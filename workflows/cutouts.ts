/** The story of a job of cutouts: its rows are planned tile by tile, cut, those of several tiles where there is memory for them, and published with a row for each. */
import type { mosaicGroups } from '@darkroom/contract';
import { defineJob } from './job.ts';

const ofSeveralTiles: typeof mosaicGroups = 'mosaic:';

export const cutouts = defineJob(async ({ on, stage, items, groups }) => {
  const { planCutouts, cutCutouts, publishCutouts } = on('sky');
  const { cutCutouts: joinCutouts } = on('sky-mosaic');
  await stage('plan', planCutouts);
  await items(
    'cut',
    groups('cut'),
    ({ group = '' }) => (group.startsWith(ofSeveralTiles) ? joinCutouts : cutCutouts),
    { atOnce: 2 },
  );
  return stage('publish', publishCutouts);
});
