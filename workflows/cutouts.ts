/** The story of a job of cutouts: its rows are planned tile by tile, cut, those of several tiles where there is memory for them, delivered where that is wished, and published. */
import type { mosaicGroups } from '@darkroom/contract';
import { defineJob } from './job.ts';

const ofSeveralTiles: typeof mosaicGroups = 'mosaic:';

export const cutouts = defineJob(async ({ on, stage, items, groups, turns }) => {
  const { planCutouts, cutCutouts, deliverCutouts, publishCutouts } = on('sky');
  const { cutCutouts: joinCutouts } = on('sky-mosaic');
  const { delivers } = await stage('plan', planCutouts);
  await items(
    'cut',
    groups('cut'),
    ({ group = '' }) => (group.startsWith(ofSeveralTiles) ? joinCutouts : cutCutouts),
    { atOnce: 2 },
  );
  const delivery = delivers ? await turns('deliver', deliverCutouts) : null;
  if (delivery !== null && 'missing' in delivery) return { missing: delivery.missing };
  return stage('publish', publishCutouts, delivery);
});
