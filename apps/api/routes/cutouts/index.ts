/** Sky surveys, and what is cut out of them. */
import type { Api } from '../../context.ts';
import { registerCutout } from './cutout.ts';
import { registerCutoutsEstimate } from './estimate.ts';
import { registerCutoutJobs } from './jobs.ts';
import { registerCutoutRequests } from './requests.ts';
import { registerSurveys } from './surveys.ts';

/** Registers the routes. */
export function registerCutouts(api: Api): void {
  registerSurveys(api);
  registerCutout(api);
  registerCutoutRequests(api);
  registerCutoutJobs(api);
  registerCutoutsEstimate(api);
}
