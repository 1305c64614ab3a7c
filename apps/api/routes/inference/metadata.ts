/** What the server and its models are: metadata of the protocol, and what clients of Triton ask for besides. */
import { readFileSync } from 'node:fs';
import type { OpenedModel } from '@darkroom/contract';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { errors, type ModelPath, modelPaths, named, paramsOf } from './describe.ts';
import { namedModel } from './model.ts';
import { outputsFound, pictureInput } from './pictures/found.ts';

const { version: serverVersion } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

const serverMetadata = z
  .object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .meta({ id: 'InferenceServer' });

const serverRoute = createRoute({
  method: 'get',
  path: '/v2',
  operationId: 'serverMetadata',
  tags: ['Inference'],
  summary: 'What this server is',
  responses: {
    200: { description: 'It.', content: { 'application/json': { schema: serverMetadata } } },
    ...errors(),
  },
});

const tensorMetadata = z
  .object({
    name: z.string(),
    datatype: z.string().meta({ example: 'FP32' }),
    shape: z.array(z.int()).meta({ description: '-1 where any length will do.' }),
  })
  .meta({ id: 'TensorMetadata' });

const modelMetadata = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensorMetadata).meta({ description: 'What the model itself takes.' }),
    outputs: z.array(tensorMetadata).meta({
      description:
        'What the model itself gives, and behind it what is made of that: class, score, label, boxes.',
    }),
    properties: z.record(z.string(), z.string()).meta({
      description:
        'In words: the input that takes pictures in place of those of the model, and what is answered where no outputs are named.',
    }),
  })
  .meta({ id: 'InferenceModel' });

const metadataAt = (path: ModelPath) =>
  createRoute({
    method: 'get',
    path,
    ...named('model', path, 'Metadata'),
    summary: 'What a model takes and gives',
    request: { params: paramsOf(path) },
    responses: {
      200: { description: 'It.', content: { 'application/json': { schema: modelMetadata } } },
      ...errors('not_found', 'validation_failed', 'model_not_ready', 'no_prediction_model'),
    },
  });

const modelConfig = z
  .looseObject({ name: z.string(), platform: z.string(), backend: z.string() })
  .meta({ id: 'InferenceModelConfig', description: 'In the form that clients of Triton ask for.' });

const configAt = (path: ModelPath) =>
  createRoute({
    method: 'get',
    path: `${path}/config`,
    ...named('model', path, 'Config'),
    summary: 'The same, as clients of Triton ask for it',
    request: { params: paramsOf(path) },
    responses: {
      200: { description: 'It.', content: { 'application/json': { schema: modelConfig } } },
      ...errors('not_found', 'validation_failed', 'model_not_ready', 'no_prediction_model'),
    },
  });

const repositoryEntry = z
  .object({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() })
  .meta({ id: 'RepositoryEntry' });

const indexRoute = createRoute({
  method: 'post',
  path: '/v2/repository/index',
  operationId: 'modelRepositoryIndex',
  tags: ['Inference'],
  summary: 'The models that can be asked for',
  responses: {
    200: { description: 'They.', content: { 'application/json': { schema: z.array(repositoryEntry) } } },
    ...errors(),
  },
});

/** Registers the routes. */
export function registerModelMetadata(api: Api): void {
  const server = {
    name: 'darkroom',
    version: serverVersion,
    extensions: ['binary_tensor_data', 'statistics', 'model_configuration', 'model_repository'],
  };
  api.openapi(serverRoute, (c) => c.json(server, 200));
  // As the protocol's own document writes it.
  api.get('/v2/', (c) => c.json(server, 200));

  for (const path of modelPaths) {
    api.openapi(metadataAt(path), async (c) => {
      const { readiness } = c.var.deps.predicting;
      const model = await namedModel(c, c.req.valid('param'));
      const versions = [model, ...(await readiness.models())].filter(({ name }) => name === model.name);
      return c.json(metadataOf(model, [...new Set(versions.map(({ version }) => version))]), 200);
    });

    api.openapi(configAt(path), async (c) => {
      const model = await namedModel(c, c.req.valid('param'));
      return c.json(configOf(model), 200);
    });
  }

  api.openapi(indexRoute, async (c) => {
    const models = await c.var.deps.predicting.readiness.models();
    return c.json(
      models.map(({ name, version }) => ({ name, version, state: 'READY', reason: '' })),
      200,
    );
  });
}

function metadataOf(model: OpenedModel, versions: string[]) {
  const { inputs = [], outputs = [] } = model.tensors ?? {};
  return {
    name: model.name,
    versions,
    platform: 'onnx_onnxv1',
    inputs: [...inputs],
    outputs: [...outputs, ...outputsFound(model).map((port) => ({ ...port, shape: [...port.shape] }))],
    properties: {
      pictures: `In place of all inputs: ${pictureInput.name}, ${pictureInput.datatype} [-1], each element one encoded picture.`,
      outputs: `Where none are named: of pictures ${outputsFound(model)
        .map(({ name }) => name)
        .join(', ')}; of tensors what the model itself gives.`,
    },
  };
}

function configOf({ name, tensors }: OpenedModel) {
  const { inputs = [], outputs = [] } = tensors ?? {};
  const configured = (ports: typeof inputs) =>
    ports.map(({ name, datatype, shape }) => ({
      name,
      data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
      dims: shape,
    }));
  return {
    name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    // The batch, where there is one, is the first of `dims`.
    max_batch_size: 0,
    input: configured(inputs),
    output: configured(outputs),
  };
}
