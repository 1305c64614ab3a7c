/** An API process that takes stamps, too. */
import { runApi } from '@darkroom/api/serving/run.ts';
import { kinds, services } from './registration.ts';

await runApi({ kinds, services });
