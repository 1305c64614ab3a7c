/** Parcels are made, delivered and published. */
import { createHash } from 'node:crypto';
import type { Delivery, Page } from '@darkroom/contract';
import { deliverResults, type FrameDeps, folderOf, jobActivity, publishJob, workPage } from '@darkroom/frame';
import { parcelsOptions } from './contract.ts';

export type ParcelsActivities = ReturnType<typeof parcelsActivities>;

/** The whole of what was delivered, as a turn of it tells at the end. */
type Done = Extract<Delivery, { readonly delivered: object }>;

/** What is in a parcel. */
export const parcelOf = (key: string): Buffer => Buffer.from(`parcel ${key}\n`.repeat(50));

export function parcelsActivities(deps: FrameDeps) {
  return {
    makeParcels: jobActivity(deps, async (attempt, page: Page) =>
      workPage(attempt, page, {
        stage: 'make',
        lastStage: 'publish',
        concurrency: 8,
        inputDigest: ({ key }) => createHash('sha256').update(key).digest('hex'),
        work: async ({ key, jobId, ordinal }) => {
          const path = `${folderOf(ordinal)}${key}.txt`;
          const body = parcelOf(key);
          return { objects: [{ key: `parcels/${jobId}/${path}`, path, body, contentType: 'text/plain' }] };
        },
      }),
    ),

    deliverParcels: jobActivity(deps, async (attempt): Promise<Delivery> => {
      const { deliverTo: to, turnMs } = parcelsOptions.parse(attempt.job.input);
      return deliverResults(attempt, { to, turnMs });
    }),

    publishParcels: jobActivity(deps, async (attempt, { delivered }: Done) =>
      publishJob(attempt, { stage: 'make', objects: [], result: { delivered } }),
    ),
  };
}
