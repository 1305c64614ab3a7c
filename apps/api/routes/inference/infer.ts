/** `POST …/infer`: tensors in, tensors out, once the rows of what was predicted are there. */
import { ProblemError } from '@darkroom/contract';
import type { PredictionRequest, Predictor } from '@darkroom/prediction/predictor/predictor.ts';
import type { Tensor } from '@darkroom/prediction/tensors/tensor.ts';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api, ApiContext } from '../../context.ts';
import { whenComplete } from '../../middleware/observation.ts';
import { unvalidated } from '../../openapi/describe.ts';
import type { Room } from '../../predicting/memory.ts';
import { longestSeconds, predictionProblems, shortestSeconds } from '../../predicting/predictor.ts';
import { validationProblem } from '../../problems.ts';
import { discardBody } from '../../requests/body.ts';
import { errors, type ModelPath, modelPaths, named, paramsOf } from './describe.ts';
import { type NamedModel, namedModel } from './model.ts';
import { foundOn, outputsFound } from './pictures/found.ts';
import { givenFor, outputsGiven } from './pictures/given.ts';
import { arePictures, picturesIn, predictPictures } from './pictures/predict.ts';
import { encodeAnswer } from './protocol/answer.ts';
import { encodeBody } from './protocol/encoding.ts';
import { type InferenceRequest, parameters, requestHeader, type WantedOutput } from './protocol/request.ts';
import { readRequest } from './read.ts';
import { predictTensors, tensorsFor } from './tensors.ts';

const answerOutput = z
  .object({
    name: z.string(),
    datatype: z.string(),
    shape: z.array(z.int()),
    parameters: parameters.optional(),
    data: z.array(z.unknown()).optional().meta({ description: 'Absent where it follows as binary data.' }),
  })
  .meta({ id: 'InferenceOutput' });

const inferenceAnswer = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    parameters: parameters.meta({
      description:
        '`prediction_id`, by which the prediction is found under `/v1/predict`; of several pictures `prediction_ids`, too.',
    }),
    outputs: z.array(answerOutput),
  })
  .meta({ id: 'InferenceAnswer' });

const binary = { schema: { type: 'string', format: 'binary' } } as const;

const inferAt = (path: ModelPath) =>
  createRoute({
    method: 'post',
    path: `${path}/infer`,
    ...named('infer', path),
    summary: 'Infer, from pictures or tensors',
    description: [
      'An input `image` of BYTES takes encoded pictures, in JSON as base64, each of which becomes a prediction; else the inputs are those of the model. `parameters` may have `deadline`',
      '(seconds; or `timeout`, microseconds) and `top_k`. Tensors may follow the JSON as binary data, with `Inference-Header-Content-Length`. All is in the database before it is answered.',
    ].join('\n'),
    request: {
      params: paramsOf(path),
      body: {
        required: true,
        content: {
          'application/json': {
            schema: unvalidated(requestHeader.meta({ id: 'InferenceRequest' })),
          },
          'application/octet-stream': binary,
        },
      },
    },
    responses: {
      200: {
        description: 'The outputs. Where some are wanted as binary data, these follow the JSON.',
        content: { 'application/json': { schema: inferenceAnswer }, 'application/octet-stream': binary },
      },
      ...errors(
        'not_found',
        'validation_failed',
        'invalid_request',
        'unsupported_content_type',
        'request_timeout',
        'payload_too_large',
        'too_many_open',
        ...predictionProblems.filter((code) => code !== 'unknown_model'),
      ),
    },
  });

/** Registers the routes. */
export function registerInfer(api: Api): void {
  for (const path of modelPaths)
    api.openapi(inferAt(path), async (c) => {
      const { predicting } = c.var.deps;
      const model = await roomFor(c, c.req.valid('param'));
      const room = predicting.pictures.open(c.var.caller.owner);
      try {
        const request = await predicting.intake(() => readRequest(c, room));
        return await answer(c, model, request, room);
      } finally {
        whenComplete(c, room.free);
      }
    });
}

/**
 * The model that is asked for, where there is room for one more. What is refused is taken off the wire unread, so that its sender reads why.
 * Throws `not_found`, `no_prediction_model`, `overloaded`.
 */
async function roomFor(
  c: ApiContext,
  params: { readonly model: string; readonly version?: string },
): Promise<NamedModel> {
  const { predicting } = c.var.deps;
  const { owner, priority } = c.var.caller;
  const bytes = Number(c.req.header('content-length') ?? '0');
  // How long it waits stands in its body: as long as it may, here.
  const deadlineMs = 1000 * longestSeconds;
  try {
    const model = await predicting.intake(() => namedModel(c, params, Math.random));
    predicting.predictor.requireRoom({ owner, priority, bytes, deadlineMs }, [model]);
    return model;
  } catch (error) {
    await discardBody(c);
    throw error;
  }
}

async function answer(
  c: ApiContext,
  model: NamedModel,
  request: InferenceRequest,
  room: Pick<Room, 'become'>,
): Promise<Response> {
  const options = optionsOf(request);
  const { ids, outputs } = await infer(c, model, request, options);
  const [prediction_id = 0, ...others] = ids;
  c.set('predictionId', prediction_id);
  const told = {
    model,
    id: request.id,
    parameters: { prediction_id, ...(others.length > 0 && { prediction_ids: ids.join(',') }) },
    outputs,
  };
  const { body, headerLength } = encodeAnswer(told, c.var.deps.config.predictions.inferenceJsonBytes);
  const sent = await encodeBody(body, c.req.header('accept-encoding'));
  room.become(sent.body.length);
  return c.body(new Uint8Array(sent.body), 200, {
    'content-type': headerLength === undefined ? 'application/json' : 'application/octet-stream',
    vary: 'Accept-Encoding',
    ...(headerLength !== undefined && { 'inference-header-content-length': String(headerLength) }),
    ...(sent.encoding !== undefined && { 'content-encoding': sent.encoding }),
  });
}

interface Inferred {
  readonly ids: readonly number[];
  readonly outputs: readonly (Tensor & { readonly binary: boolean })[];
}

async function infer(
  c: ApiContext,
  model: NamedModel,
  request: InferenceRequest,
  options: Options,
): Promise<Inferred> {
  const { config, predicting, records } = c.var.deps;
  const common = commonOf(c, model, options);
  const predictor = tellingFailed(c, predicting.predictor);
  if (arePictures(request.inputs)) {
    const { batch, bytes } = config.predictions;
    const pictures = picturesIn(request.inputs, { pictures: batch.items, bytes });
    const made = outputsFound(model).map(({ name }) => name);
    const own = outputsGiven(model).filter((name) => !made.includes(name));
    const wanted = wantedOf(request, made, [...made, ...own]);
    const outputs = own.filter((name) => wanted.some((one) => one.name === name));
    const asked = { ...common, ...(outputs.length > 0 && { outputs }) };
    const rows = await predictPictures(predictor, pictures, asked);
    const given = await givenFor(records, rows, outputs, config.predictions.inferenceOutputBytes);
    return {
      ids: rows.map(({ id }) => id),
      outputs: inOrder(wanted, [...foundOn(model, rows, options.top_k), ...given]),
    };
  }
  const { tensors, there } = tensorsFor(model, request.inputs);
  const own = model.tensors?.outputs.map(({ name }) => name) ?? [];
  const wanted = wantedOf(request, own, there);
  const names = wanted.map(({ name }) => name);
  const { id, outputs } = await predictTensors({ predictor, records }, tensors, names, common);
  return { ids: [id], outputs: inOrder(wanted, outputs) };
}

/** Has the access log name a prediction that failed, where the answer is its error alone. */
const tellingFailed = (c: ApiContext, predictor: Pick<Predictor, 'predict'>): Pick<Predictor, 'predict'> => ({
  predict: async (request) => {
    const row = await predictor.predict(request);
    if (row.problem !== null) c.set('predictionId', row.id);
    return row;
  },
});

const inOrder = (wanted: readonly WantedOutput[], outputs: readonly Tensor[]) =>
  wanted.flatMap(({ name, binary }) =>
    outputs.filter((output) => output.name === name).map((output) => ({ ...output, binary })),
  );

function commonOf(
  c: ApiContext,
  { name, version, digest, alias, canary }: NamedModel,
  { deadline, timeout, top_k = 1 }: Options,
): Omit<PredictionRequest, 'picture' | 'filename'> {
  const { caller, deps, traceId } = c.var;
  const seconds = deadline ?? (timeout === undefined ? undefined : timeout / 1e6);
  return {
    owner: caller.owner,
    priority: caller.priority,
    model: { name, version, digest },
    alias,
    canary,
    topK: top_k,
    deadlineMs: 1000 * (seconds ?? deps.config.predictions.deadlineSeconds),
    traceId: traceId ?? null,
    signal: c.req.raw.signal,
  };
}

/** The outputs that are named, else `otherwise`. Throws ProblemError `invalid_request` for one that there is not. */
function wantedOf(
  { outputs, binary }: InferenceRequest,
  otherwise: readonly string[],
  there: readonly string[],
): readonly WantedOutput[] {
  const unknown = outputs?.find(({ name }) => !there.includes(name));
  if (unknown !== undefined)
    throw new ProblemError(
      'invalid_request',
      `There is no output ${JSON.stringify(unknown.name)} here; there are ${there.join(', ')}.`,
    );
  return outputs ?? otherwise.map((name) => ({ name, binary }));
}

/** What is known here of the parameters of a request. */
const inferenceOptions = z.object({
  deadline: z.number().min(shortestSeconds).max(longestSeconds).optional(),
  /** Microseconds, as clients of Triton say it. */
  timeout: z
    .number()
    .min(shortestSeconds * 1e6)
    .max(longestSeconds * 1e6)
    .optional(),
  top_k: z.int().min(1).max(100).optional(),
});
type Options = z.infer<typeof inferenceOptions>;

function optionsOf({ parameters }: InferenceRequest): Options {
  const { data, error } = inferenceOptions.safeParse(parameters);
  if (error) throw new ProblemError('invalid_request', `parameters: ${validationProblem(error).message}`);
  return data;
}
