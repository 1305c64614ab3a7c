/**
 * The yardstick: a bare Hono server that predicts with the code that lanes predict with, and keeps nothing. With `main` the model runs on the
 * thread that serves (ONNX Runtime blocks it meanwhile; libvips decodes beside it), with `lanes` in warm processes, as a worker has them.
 */
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { type Config, loadConfig } from '@darkroom/platform';
import { analyse } from '@darkroom/recognition';
import { classifyPhoto } from '@darkroom/recognition/classify.ts';
import { ModelLanes } from '@darkroom/recognition/lane/lanes.ts';
import { forPredictions } from '@darkroom/recognition/lane/predictions.ts';
import { openAnyModel } from '@darkroom/recognition/model/session.ts';
import { isClassifier } from '@darkroom/recognition/model/understanding/understand.ts';
import { predictorIn } from '@darkroom/recognition/predict/predictor.ts';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

/** What becomes of one picture. */
type Predict = (bytes: Buffer) => Promise<number | null>;

// As the worker has it.
setFlagsFromString('--heap-growing-percent=100');
const [how = 'main', modelPath = ''] = process.argv.slice(2);
const config = loadConfig({ ...process.env, MODEL_PATH: modelPath });
const limits = {
  bytes: config.predictions.bytes,
  pixels: config.limits.photoPixels,
  frames: config.limits.photoFrames,
};
const predict = how === 'lanes' ? await inLanes(config) : await onMainThread(config);
const app = new Hono();
let id = 0;
app.post('/predict', async (c) => {
  const { file } = await c.req.parseBody();
  if (!(file instanceof File)) return c.json({ detail: 'file is missing' }, 422);
  const result = await predict(Buffer.from(await file.arrayBuffer()));
  return c.json({ id: ++id, result });
});
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }: AddressInfo) => {
  process.send?.({ port });
});

async function onMainThread({ recognition, predictions }: Config): Promise<Predict> {
  const model = await openAnyModel({ ...recognition, modelPath: predictions.modelPath });
  if (isClassifier(model))
    return async (bytes) =>
      (await classifyPhoto(bytes, { model, limits, topK: 5 })).classes[0]?.classId ?? null;
  const wanted = { threshold: 0.4, annotate: false } as const;
  return async (bytes) => (await analyse(bytes, { ...wanted, model, limits })).detections[0]?.classId ?? null;
}

async function inLanes(all: Config): Promise<Predict> {
  const predictor = predictorIn(new ModelLanes(forPredictions(all)), all);
  const { identity: model } = await predictor.model();
  const { signal } = new AbortController();
  const nothing = {
    acceptedAt: '',
    bytes: 0,
    gatherMs: 0,
    leftMs: 0,
    traceId: null,
    alias: null,
    canary: false,
  };
  const item = { ...nothing, id: 0, owner: 'bench', filename: 'picture.jpg', topK: 5 };
  return async (bytes) => (await predictor.predict(item, bytes, { model, signal })).result;
}
