/** `POST /v1/cutouts`: cutouts of many positions, as a job. */
import { type CutoutPosition, cutoutsKind, cutoutsOptions, cutoutsRequest, job } from '@darkroom/contract';
import { requireTarget } from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api, ApiContext } from '../../context.ts';
import { lookAtStored, readSets } from '../../cutting/lists.ts';
import { problems } from '../../openapi/describe.ts';
import { type ListIntake, listProblems, listRequest, submitListed } from '../../requests/lists.ts';
import { linkedDocument, loadJob } from '../jobs/shared.ts';

/** How lists of positions are taken. */
export const intake: ListIntake<typeof cutoutsRequest, CutoutPosition> = {
  kind: cutoutsKind,
  stage: 'plan',
  request: cutoutsRequest,
  require: requireTaken,
  read: ({ source, positions, upload, ...input }) => ({
    input,
    rows: positions && { rows: positions, itemStage: 'cut', planned: true },
    uri: source,
    upload,
  }),
  async look(c, input, list, inJson) {
    const { deps, caller } = c.var;
    const sets = await readSets(deps, caller, input);
    const { onError } = cutoutsOptions.parse(input);
    const { size } = await lookAtStored(deps, sets, onError, list, {
      signal: c.req.raw.signal,
      ...(inJson && { pointer: '/positions' }),
    });
    return size;
  },
};

/** Refuses surveys, parameters and a target that the caller may not have, or that there are not, before a byte of the list is read. */
export async function requireTaken(c: ApiContext, input: Record<string, unknown>): Promise<void> {
  const { deps, caller } = c.var;
  await readSets(deps, caller, input);
  const { deliverTo } = cutoutsOptions.parse(input);
  if (deliverTo !== undefined) await requireTarget(deliverTo, caller, deps.config, deps.storage);
}

/** What a job of cutouts is refused for, and its estimate alike. */
export const cutoutJobProblems = [
  'unknown_survey',
  'survey_not_granted',
  'unknown_band',
  'invalid_row',
  'swapped_columns',
  'target_not_granted',
  'target_unusable',
  ...listProblems,
] as const;

const submitRoute = createRoute({
  method: 'post',
  path: '/v1/cutouts',
  operationId: 'submitCutouts',
  tags: ['Cutouts'],
  summary: 'Cutouts of many positions of sky surveys, as a job',
  description: [
    'A list of positions, by CSV (columns `ra` and `dec`, and if you like `id` and `size`, in any case; names that catalogues use are known, others are ignored) or JSON; it stands in the request, is sent along, is an upload, or lies in the store. Of each position a cutout is made with every parameter set.',
    'Rows that cannot be read are named by their numbers, from 1, before any work; with `onError=skip` the job goes on without them. Cutouts that fail are rows of the results, and the job goes on.',
    'A job like every other: follow, cancel, resume, run again with other parameters and remove it under `/v1/jobs`. Its results are the files, and `manifest.json` and `manifest.csv` with a row for every row of the list and parameter set, in the list’s order. Requests for single cutouts go first.',
  ].join('\n'),
  ...listRequest(intake),
  responses: {
    202: {
      description:
        'The job is queued. What it is expected to take stands in `estimate`, also the bytes of its files.',
      headers: z.object({ location: z.string().meta({ description: 'Where to follow the job.' }) }),
      content: { 'application/json': { schema: job } },
    },
    ...problems(...cutoutJobProblems),
  },
});

/** Registers the route. */
export function registerCutoutJobs(api: Api): void {
  api.openapi(submitRoute, async (c) => {
    const { jobId } = await submitListed(c, intake);
    c.header('location', `/v1/jobs/${jobId}`);
    return c.json(await linkedDocument(c, await loadJob(c, jobId, 'read')), 202);
  });
}
