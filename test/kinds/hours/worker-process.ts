/** A worker process of `light` and `survey`. */
import { runWorker } from '@darkroom/worker/run.ts';
import { kinds, queues, workflows } from './registration.ts';

await runWorker({ kinds, queues, workflows, names: ['light', 'survey'] });
