/** `POST /predict`: a picture in, its class out, once the row of it is there. */
import { createHash } from 'node:crypto';
import { modelOptionLength, ProblemError, predictionAnswer, topClasses } from '@darkroom/contract';
import { fingerprintOf } from '@darkroom/dispatch';
import { fractionOf } from '@darkroom/models';
import type { PredictionRequest } from '@darkroom/prediction/predictor/predictor.ts';
import { createRoute, z } from '@hono/zod-openapi';
import type { Next } from 'hono';
import type { Api, ApiContext } from '../../context.ts';
import { setHeader } from '../../middleware/headers.ts';
import { type Base, named } from '../../openapi/bases.ts';
import {
  idempotencyHeader,
  plainText,
  problems,
  unvalidated,
  unvalidatedQuery,
} from '../../openapi/describe.ts';
import type { Room } from '../../predicting/memory.ts';
import { longestSeconds, predictionProblems, shortestSeconds } from '../../predicting/predictor.ts';
import { validationProblem } from '../../problems.ts';
import { discardBody } from '../../requests/body.ts';
import { optionsInQuery } from '../../requests/query.ts';
import { documentsOf } from './documents.ts';
import { readPicture, type SentPicture } from './picture.ts';

export const predictionOptions = z.strictObject({
  model: plainText(modelOptionLength).min(1).default('default').meta({
    description: '`default`, the name of a model, `NAME@ALIAS` or `NAME@VERSION`.',
    example: 'default',
  }),
  detail: z.boolean().default(false).meta({ description: 'Whether to tell more than `id` and `result`.' }),
  topK: topClasses,
  deadline: z.number().min(shortestSeconds).max(longestSeconds).optional().meta({
    description: 'Seconds that the answer is waited for. Absent: PREDICTION_DEADLINE_SECONDS, 2.',
    example: 2,
  }),
  keep: z.boolean().default(false).meta({
    description: 'Whether the picture is kept for as long as the prediction: `GET …/predict/{id}/picture`.',
  }),
});
export type PredictionOptions = z.infer<typeof predictionOptions>;

/** Those of a request that names none. */
const usualOptions = predictionOptions.parse({});

const form = z
  .strictObject({
    file: z
      .file()
      .meta({ description: 'One picture: JPEG, PNG, WebP, TIFF, GIF, AVIF or HEIC, told by content.' }),
    ...predictionOptions.partial().shape,
  })
  .meta({ id: 'PredictionForm', description: 'The options may stand in the query as well.' });

const predictAt = (base: Base) =>
  createRoute({
    method: 'post',
    path: `${base}/predict`,
    ...named('predict', base, 'Predictions'),
    // Before anything else of it is looked at: a refusal costs as little as it can while there is too much to do.
    middleware: [requireRoom],
    summary: 'Predict what is on a picture',
    description: [
      'The answer is `{"id", "result"}` alone, `result` being the class index; `?detail=true` has label, score, the best classes or the boxes, the model’s version, and the time of each step.',
      'The prediction is in the database before it is answered. With an `Idempotency-Key` the same request again is the same prediction.',
      'What cannot be done within the deadline is refused with 503 as it comes in. The picture is not kept unless `keep` says so; it is in the store then before the prediction is made, and where the store does not take it the answer is 503.',
    ].join('\n'),
    request: {
      headers: idempotencyHeader,
      body: { required: true, content: { 'multipart/form-data': { schema: unvalidated(form) } } },
    },
    ...unvalidatedQuery(predictionOptions),
    responses: {
      200: {
        description: 'The prediction.',
        headers: z.object({ location: z.string().meta({ description: 'Address of the prediction.' }) }),
        content: { 'application/json': { schema: predictionAnswer } },
      },
      ...problems(
        'invalid_request',
        'validation_failed',
        'unsupported_content_type',
        'request_timeout',
        'payload_too_large',
        'idempotency_key_reused',
        'idempotency_key_deleted',
        ...predictionProblems,
      ),
    },
  });

/** Registers the route under `base`. */
export function registerPredict(api: Api, base: Base): void {
  api.openapi(predictAt(base), async (c) => {
    const { predicting } = c.var.deps;
    const room = predicting.pictures.open(c.var.caller.owner);
    try {
      const { request, options } = await predicting.intake(() => readRequest(c, room));
      const row = await predicting.predictor.predict(request);
      c.set('predictionId', row.id);
      setHeader(c, 'location', `${base}/predict/${row.id}`);
      if (row.problem !== null) throw new ProblemError(row.problem.code, row.problem.detail);
      const [document] = await documentsOf(c, [row], options.detail);
      return c.json(document!, 200);
    } finally {
      room.free();
    }
  });
}

/**
 * Refuses before the picture is read what would be refused behind it, by what the query says. What is refused is taken off the wire, so that its
 * sender reads why. Throws `validation_failed`, `overloaded`, `no_prediction_model`, `unknown_model`, `model_not_ready`.
 */
async function requireRoom(c: ApiContext, next: Next): Promise<void> {
  const { predicting } = c.get('deps');
  const { owner, priority } = c.get('caller');
  const model = c.req.query('model');
  const bytes = Number(c.req.header('content-length') ?? '0');
  try {
    const { deadline } = optionsOf(c);
    const models = await predicting.intake(() => predicting.served.candidates(model));
    predicting.predictor.requireRoom({ owner, priority, bytes, deadlineMs: deadlineMs(c, deadline) }, models);
  } catch (error) {
    await discardBody(c);
    throw error;
  }
  await next();
}

/** `seconds` of the request; those of the configuration where it says none. */
const deadlineMs = (c: ApiContext, seconds: number | undefined): number =>
  1000 * (seconds ?? c.get('deps').config.predictions.deadlineSeconds);

async function readRequest(c: ApiContext, room: Pick<Room, 'grow'>) {
  const { caller, deps, traceId } = c.var;
  const picture = await readPicture(c, deps.config.predictions.bytes, room);
  const options = optionsOf(c, picture.fields);
  const request: PredictionRequest = {
    owner: caller.owner,
    priority: caller.priority,
    ...(await resolved(c, options)),
    picture: picture.bytes,
    filename: picture.filename,
    topK: options.topK,
    deadlineMs: deadlineMs(c, options.deadline),
    keep: options.keep,
    traceId: traceId ?? null,
    idempotency: idempotencyOf(c, picture, options),
    signal: c.req.raw.signal,
  };
  return { request, options };
}

/** Those in the query count before those of the form. Throws `validation_failed`. */
function optionsOf(c: ApiContext, fields: SentPicture['fields'] = {}): PredictionOptions {
  const given = { ...fields, ...c.req.queries() };
  if (Object.keys(given).length === 0) return usualOptions;
  const read = predictionOptions.safeParse(optionsInQuery(predictionOptions, given));
  if (!read.success) throw validationProblem(read.error, 'query');
  return read.data;
}

/** A repetition comes to the same version as the first, as far as the alias stands for the same. */
async function resolved(c: ApiContext, { model: asked }: PredictionOptions) {
  const { caller, deps } = c.var;
  const key = c.req.header('idempotency-key');
  const draw = key === undefined ? Math.random : () => fractionOf(`${caller.owner}\n${key}`);
  const { model, alias, canary } = await deps.predicting.served.resolve(asked, draw);
  return { model, alias, canary };
}

function idempotencyOf(c: ApiContext, { bytes, filename }: SentPicture, options: PredictionOptions) {
  const key = c.req.header('idempotency-key');
  if (key === undefined) return undefined;
  const { model, topK, keep } = options;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { key, fingerprint: fingerprintOf({ sha256, filename, model, topK, ...(keep && { keep }) }) };
}
