/** `POST /v1/cutouts/estimate`: what a job of cutouts would take, without making one. */
import {
  type CutoutsEstimate,
  cutoutsEstimate,
  cutoutsKind,
  cutoutsOptions,
  cutoutsRequest,
  listFormatOf,
  type listTypes,
} from '@darkroom/contract';
import { requireSourceSize, sourceAs } from '@darkroom/dispatch';
import { estimateOfJob } from '@darkroom/estimates';
import { formatUri } from '@darkroom/storage';
import { createRoute } from '@hono/zod-openapi';
import type { Api, ApiContext } from '../../context.ts';
import { type ListRows, type LookedAt, lookAt, lookAtStored, readSets } from '../../cutting/lists.ts';
import { problems } from '../../openapi/describe.ts';
import { discardBody, jsonOf } from '../../requests/body.ts';
import { listReader, requireNoQuery } from '../../requests/list-body.ts';
import { listRequest, pinList } from '../../requests/lists.ts';
import { fieldProblem } from '../../requests/multipart.ts';
import { cutoutJobProblems, requireTaken } from './jobs.ts';

const { request, ...described } = listRequest({ kind: cutoutsKind, request: cutoutsRequest });

const route = createRoute({
  method: 'post',
  path: '/v1/cutouts/estimate',
  operationId: 'estimateCutouts',
  tags: ['Cutouts'],
  summary: 'What a job of cutouts would take',
  description:
    'Takes what `POST /v1/cutouts` takes, makes no job, and refuses what that would refuse. An upload is not used up. In a form the field `parameters` stands before the file.',
  request: { body: request.body },
  ...described,
  responses: {
    200: {
      description: 'The estimate.',
      content: { 'application/json': { schema: cutoutsEstimate } },
    },
    ...problems(...cutoutJobProblems),
  },
});

/** Registers the route. */
export function registerCutoutsEstimate(api: Api): void {
  api.openapi(route, async (c) => c.json(await estimated(c), 200));
}

interface Looked {
  readonly input: Record<string, unknown>;
  readonly found: LookedAt;
}

async function estimated(c: ApiContext): Promise<CutoutsEstimate> {
  const { input, found } = await looked(c);
  const { rows, broken, exact, size } = found;
  const { deps, caller } = c.var;
  const { estimates } = deps.cutting;
  await estimates.ready();
  const estimate = estimateOfJob(estimates, cutoutsKind, { input, size });
  if (estimate === undefined) throw new TypeError('Jobs of cutouts are estimated.');
  const { seconds, runs, error } = estimate;
  const { cutouts, bytes } = size;
  const queue = await deps.dispatch.queue.next(cutoutsKind.kind, caller);
  return { rows: { count: rows, broken, exact }, cutouts, bytes, seconds, runs, error, queue };
}

async function looked(c: ApiContext): Promise<Looked> {
  const { deps, caller } = c.var;
  let sets: Awaited<ReturnType<typeof readSets>> | undefined;
  let onError: 'fail' | 'skip' = 'fail';
  const read = listReader(c, { options: cutoutsKind.input, archives: false }, async (input) => {
    await requireTaken(c, input);
    sets = await readSets(deps, caller, input);
    ({ onError } = cutoutsOptions.parse(input));
  });
  if (read === undefined) return lookedAtNamed(c);
  let found: LookedAt | undefined;
  try {
    const input = await read(async ({ format, content }) => {
      if (sets === undefined) throw fieldProblem('parameters', 'has to stand before the file');
      if (format !== 'csv' && format !== 'ndjson') throw new TypeError('Lists alone are taken.');
      const rows: ListRows = { format, content: bounded(c, format, content), name: 'The list' };
      found = await lookAt(deps, sets, onError, rows);
    });
    if (found === undefined) throw new TypeError('The request was read, and had no list.');
    return { input, found };
  } catch (error) {
    await discardBody(c);
    throw error;
  }
}

/** Of JSON: rows that stand in it, an object, or an upload of the caller's. */
async function lookedAtNamed(c: ApiContext): Promise<Looked> {
  requireNoQuery(c, 'the body');
  const { deps, caller } = c.var;
  const { source, positions, upload, ...input } = cutoutsRequest.parse(await jsonOf(c));
  await requireTaken(c, input);
  const sets = await readSets(deps, caller, input);
  const { onError } = input;
  const { signal } = c.req.raw;
  if (positions !== undefined) {
    const content = ndjson(positions);
    const rows: ListRows = { format: 'ndjson', content, name: 'The list', pointer: '/positions' };
    return { input, found: await lookAt(deps, sets, onError, rows) };
  }
  const list = upload === undefined ? await pinList(c, source ?? '', false) : await uploadedList(c, upload);
  return { input, found: await lookAtStored(deps, sets, onError, list, { signal }) };
}

async function uploadedList(c: ApiContext, id: string): Promise<ReturnType<typeof sourceAs>> {
  const { deps, caller } = c.var;
  const { storage, dispatch, config } = deps;
  const { key, filename } = await dispatch.uploads.complete(caller.owner, id);
  const format = listFormatOf(filename);
  const uri = formatUri({ bucket: storage.bucket, key });
  const { etag, size: bytes } = await storage.head(uri, { signal: c.req.raw.signal });
  requireSourceSize(filename, format, bytes, config.limits);
  return sourceAs(format, { uri, etag, bytes });
}

async function* bounded(
  c: ApiContext,
  format: keyof typeof listTypes,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    requireSourceSize('The list', format, bytes, c.var.deps.config.limits);
    yield chunk;
  }
}

async function* ndjson(rows: readonly object[]): AsyncGenerator<Uint8Array> {
  yield Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
