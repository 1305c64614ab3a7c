/** A worker process: serves the queues named in DARKROOM_QUEUES until it is told to stop. */
import '@darkroom/records/postgres/drizzle-files.ts';

const { runWorker } = await import('./run.ts');
await runWorker();
