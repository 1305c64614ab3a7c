/** A worker process of `light` and `parcels`. */
import '@darkroom/records/postgres/drizzle-files.ts';

const { runWorker } = await import('@darkroom/worker/run.ts');
const { kinds, queues, workflows } = await import('./registration.ts');

await runWorker({ kinds, queues, workflows, names: ['light', 'parcels'] });
