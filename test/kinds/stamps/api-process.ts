/** An API process that takes stamps, too. */
import '@darkroom/records/postgres/drizzle-files.ts';

const { runApi } = await import('@darkroom/api/serving/run.ts');
const { kinds, services } = await import('./registration.ts');

await runApi({ kinds, services });
