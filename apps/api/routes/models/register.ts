/** `POST /v1/models`: a model file with its card becomes a version, as a form, or as JSON where it lies already. */
import { modelVersionDetail, ProblemError } from '@darkroom/contract';
import { uploadsPrefix } from '@darkroom/dispatch';
import { type ModelCard, modelCard } from '@darkroom/recognition/model/card/card.ts';
import { getUpload } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import { requireOperator } from '../../authorize.ts';
import type { Api, ApiContext } from '../../context.ts';
import { jsonBodyProblems, problems, unvalidated } from '../../openapi/describe.ts';
import { discardBody, jsonOf } from '../../requests/body.ts';
import { requireGranted } from '../../requests/granted.ts';
import { versionDetail } from './documents.ts';
import { readModelForm } from './form.ts';
import { discardModel, type IncomingModel, receiveModel, registerFile, tooLarge } from './receive.ts';
import { type Received, registration, wantedOf } from './wanted.ts';

const request = z
  .strictObject({
    ...registration.shape,
    source: z.string().max(2000).optional().meta({
      description: 'Where the ONNX file lies: s3://bucket/key, granted to the key.',
      example: 's3://models/birds.onnx',
    }),
    upload: z
      .uuid()
      .optional()
      .meta({ description: 'Instead of `source`: a completed upload of `/v1/uploads`.' }),
    card: z.record(z.string(), z.unknown()).default({}).meta({
      description: 'The model card, as a file beside a model says it. A classifier needs one.',
    }),
  })
  .refine(({ source, upload }) => (source === undefined) !== (upload === undefined), {
    error: 'give either source or upload',
  })
  .meta({ id: 'ModelRegistration' });

const form = z
  .strictObject({
    ...registration.shape,
    card: z
      .string()
      .optional()
      .meta({ description: 'The model card, JSON or YAML, as a field or as a file.' }),
    file: z.file().meta({ description: 'The ONNX file.' }),
  })
  .meta({ id: 'ModelForm', description: 'What is wrong is told soonest where the file comes last.' });

const registerRoute = createRoute({
  method: 'post',
  path: '/v1/models',
  operationId: 'registerModel',
  tags: ['Models'],
  summary: 'Register a version of a model',
  description: [
    'It is a candidate: a worker opens and tries it in a process of its own, and says whether it is `ready` or `failed`, and why. Nothing else changes: to be used it is loaded, and named by its version or given an alias.',
    'The same file and card again under the same name and version is answered as the first time; another one is refused. For operators.',
  ].join('\n'),
  request: {
    body: {
      required: true,
      content: {
        'multipart/form-data': { schema: unvalidated(form) },
        'application/json': {
          schema: unvalidated(request),
          example: { name: 'birds', version: '2', source: 's3://models/birds.onnx' },
        },
      },
    },
  },
  responses: {
    200: {
      description: 'It was registered before, with the same content.',
      content: { 'application/json': { schema: modelVersionDetail } },
    },
    201: {
      description: 'It is registered, and is to be tried.',
      headers: z.object({ location: z.string().meta({ description: 'Address of the version.' }) }),
      content: { 'application/json': { schema: modelVersionDetail } },
    },
    ...problems(
      ...jsonBodyProblems,
      'forbidden',
      'invalid_model',
      'model_version_exists',
      'empty_file',
      'too_large',
      'too_many_items',
      'not_found',
      'upload_incomplete',
      'upload_used',
      'source_not_granted',
      'source_not_found',
      'source_changed',
      'storage_unavailable',
    ),
  },
});

/** Registers the route. */
export function registerRegistration(api: Api): void {
  api.openapi(registerRoute, async (c) => {
    const { caller, deps } = c.var;
    const { incoming, wanted } = await received(c);
    try {
      const { isNew, row } = await registerFile(
        deps,
        incoming,
        { ...wanted, by: caller.owner },
        c.req.raw.signal,
      );
      const document = await versionDetail(deps.records.db, row, caller);
      if (!isNew) return c.json(document, 200);
      return c.json(document, 201, {
        location: `/v1/models/${encodeURIComponent(row.name)}/versions/${encodeURIComponent(row.version)}`,
      });
    } finally {
      await discardModel(deps, incoming);
    }
  });
}

async function received(c: ApiContext): Promise<Received> {
  const type = c.req.header('content-type') ?? '';
  try {
    requireOperator(c.var.caller, 'To register a model');
    if (/^multipart\/form-data\s*(;|$)/i.test(type)) return await readModelForm(c);
  } catch (error) {
    await discardBody(c);
    throw error;
  }
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type))
    throw new ProblemError(
      'unsupported_content_type',
      `Send multipart/form-data with the file, or application/json with source or upload, not ${type || 'a body without a type'}.`,
    );
  const { source, upload, card, ...given } = request.parse(await jsonOf(c));
  const wanted = wantedOf(given, requireCard(card));
  return { incoming: await fetched(c, source ?? (await uriOfUpload(c, upload ?? ''))), wanted };
}

/** Throws ZodError with pointers into `card`. */
function requireCard(card: unknown): ModelCard {
  return z.object({ card: modelCard }).parse({ card }).card;
}

async function uriOfUpload(c: ApiContext, id: string): Promise<string> {
  const { records, storage } = c.var.deps;
  const row = await getUpload(records.db, id);
  if (row === undefined || row.owner !== c.var.caller.owner || row.state === 'removed')
    throw new ProblemError('not_found', `There is no upload ${id}.`);
  if (row.state === 'used')
    throw new ProblemError('upload_used', `The upload ${id} was taken by another request.`);
  if (row.state !== 'complete')
    throw new ProblemError('upload_incomplete', `The upload ${id} is ${row.state}.`);
  return `s3://${storage.bucket}/${row.key}`;
}

/** Reads an object as if it were sent. */
async function fetched(c: ApiContext, uri: string): Promise<IncomingModel> {
  const { caller, deps } = c.var;
  const { config, storage } = deps;
  const { owner, group } = caller;
  await requireGranted(uri, { owner, groups: group === null ? [] : [group] }, config.grants, {
    bucket: storage.bucket,
    uploads: uploadsPrefix(owner),
  });
  const { modelBytes: mostBytes } = config.limits;
  const { signal } = c.req.raw;
  const { size, etag } = await storage.head(uri, { signal });
  const filename = uri.slice(uri.lastIndexOf('/') + 1);
  if (size > mostBytes) throw tooLarge(filename, mostBytes);
  const { stream } = await storage.get(uri, { ifMatch: etag, signal });
  return receiveModel(deps, stream, { filename, mostBytes, signal });
}
