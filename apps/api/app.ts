/** The HTTP surface: middleware in its order, then one file per service under routes/. */
import { ProblemError } from '@darkroom/contract';
import type { Api, ApiDeps } from './context.ts';
import { documentRoutes } from './document.ts';
import { allowedMethods } from './methods.ts';
import { authentication, rememberingLookup } from './middleware/authentication.ts';
import { jsonBody } from './middleware/body.ts';
import { answerFailure } from './middleware/failure.ts';
import { safeHeaders } from './middleware/headers.ts';
import { observation } from './middleware/observation.ts';
import { requestContext } from './middleware/request.ts';
import { createRouter } from './openapi.ts';
import { registerAnalysis } from './routes/analysis.ts';
import { registerDocs } from './routes/docs.ts';
import { registerJobControl } from './routes/job-control.ts';
import { registerJobEvents } from './routes/job-events.ts';
import { registerJobItems } from './routes/job-items.ts';
import { registerJobLog } from './routes/job-log.ts';
import { registerJobResults } from './routes/job-results.ts';
import { registerJobs } from './routes/jobs.ts';
import { registerMetrics } from './routes/metrics.ts';
import { registerProblemPage } from './routes/problem-page.ts';
import { registerSegments } from './routes/segments.ts';
import { registerStatus } from './routes/status.ts';
import { registerUploads } from './routes/uploads.ts';

/** What needs no key; /metrics and /status/ready decide for themselves. */
const isPublic = (path: string): boolean =>
  ['/status/health', '/status/ready', '/metrics', '/openapi.json', '/docs'].includes(path) ||
  path.startsWith('/docs/');

/** Registers the routes of one service. */
export type Service = (api: Api) => void;

/** What users come for; a new kind of job is one entry. */
export const services: readonly Service[] = [registerAnalysis, registerSegments, registerUploads];

/** The app over its connections; it holds no state but remembered keys. */
export function createApp(deps: ApiDeps, offered: readonly Service[] = services): Api {
  const api = createRouter();
  const lookup = rememberingLookup(deps.records);
  api.use(
    requestContext(deps),
    observation(deps),
    safeHeaders,
    authentication(lookup, { linkSecret: deps.config.links.secret, isPublic }),
    jsonBody(deps.config.limits.jsonBytes),
  );
  registerStatus(api, lookup);
  registerMetrics(api, lookup);
  registerDocs(api);
  registerProblemPage(api);
  for (const register of offered) register(api);
  registerJobs(api);
  registerJobControl(api);
  registerJobEvents(api);
  registerJobLog(api);
  registerJobItems(api);
  registerJobResults(api);

  documentRoutes(api, deps.config.api.publicUrl);
  api.onError(answerFailure);
  api.notFound((c) => {
    const allowed = allowedMethods(api, c.req.path);
    if (allowed.length === 0)
      return answerFailure(new ProblemError('not_found', `There is no ${c.req.path}.`), c);
    c.header('allow', allowed.join(', '));
    const detail = `${c.req.path} takes ${allowed.join(', ')}.`;
    return answerFailure(new ProblemError('method_not_allowed', detail), c);
  });
  return api;
}
