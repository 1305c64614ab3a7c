/** A worker process of the queues that its arguments name, by default of `light` and `stamps`. */
import { runWorker } from '@darkroom/worker/run.ts';
import { kinds, queues, workflows } from './registration.ts';

const [, , ...named] = process.argv;
await runWorker({ kinds, queues, workflows, names: named.length > 0 ? named : ['light', 'stamps'] });
