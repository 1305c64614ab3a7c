/** A worker process of the queues that its arguments name, by default of `light` and `stamps`. */
import '@darkroom/records/postgres/drizzle-files.ts';

const { runWorker } = await import('@darkroom/worker/run.ts');
const { kinds, queues, workflows } = await import('./registration.ts');

const [, , ...named] = process.argv;
await runWorker({ kinds, queues, workflows, names: named.length > 0 ? named : ['light', 'stamps'] });
