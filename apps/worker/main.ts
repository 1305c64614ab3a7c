/** A worker process: serves the queues named in DARKROOM_QUEUES until it is told to stop. */
import { runWorker } from './run.ts';

await runWorker();
