/** The API process: serves until it is told to stop. */
import '@darkroom/records/postgres/drizzle-files.ts';

const { runApi } = await import('./serving/run.ts');
await runApi();
