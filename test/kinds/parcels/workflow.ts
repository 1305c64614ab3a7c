/** The story of parcels. */
import { defineJob, pagesByTime } from '@darkroom/workflows/job.ts';
import type { ParcelsActivities } from './activities.ts';

export const parcels = defineJob<{ parcels: ParcelsActivities }>(
  async ({ on, items, turns, stage }, { items: count }) => {
    const { makeParcels, deliverParcels, publishParcels } = on('parcels');
    await items('make', (from) => pagesByTime(count, from), makeParcels);
    const delivery = await turns('deliver', deliverParcels);
    if ('missing' in delivery) return { missing: delivery.missing };
    return stage('publish', publishParcels, delivery);
  },
);
