/** Submits stamps. */
import type { Api } from '@darkroom/api/context.ts';
import { problems } from '@darkroom/api/openapi/describe.ts';
import { type ListIntake, listProblems, listRequest, submitListed } from '@darkroom/api/requests/lists.ts';
import { linkedDocument, loadJob } from '@darkroom/api/routes/jobs/shared.ts';
import { job } from '@darkroom/contract';
import { createRoute } from '@hono/zod-openapi';
import { type Position, stampsKind, stampsRequest } from './contract.ts';
import { tileOf } from './core.ts';

const intake: ListIntake<typeof stampsRequest, Position> = {
  kind: stampsKind,
  stage: 'plan',
  request: stampsRequest,
  read: ({ positions, catalogue: uri, upload, ...input }) => ({
    input,
    rows: positions && stampsOf(positions),
    uri,
    upload,
  }),
};

const submitRoute = createRoute({
  method: 'post',
  path: '/v1/stamps',
  operationId: 'submitStamps',
  tags: ['Stamps'],
  summary: 'Stamps of positions',
  ...listRequest(intake),
  responses: {
    202: { description: 'The job is queued.', content: { 'application/json': { schema: job } } },
    ...problems(...listProblems),
  },
});

/** Registers the route. */
export function registerStamps(api: Api): void {
  api.openapi(submitRoute, async (c) => {
    const { jobId } = await submitListed(c, intake);
    c.header('location', `/v1/jobs/${jobId}`);
    return c.json(await linkedDocument(c, await loadJob(c, jobId, 'read')), 202);
  });
}

/** What `dispatch.submitRows` needs to know of positions. */
export const stampsOf = (positions: readonly Position[]) => ({
  rows: positions,
  itemStage: 'stamp',
  groupOf: tileOf,
});
