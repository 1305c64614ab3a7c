import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeAll, expect, it, onTestFinished } from 'vitest';
import { analyse } from '../analyse.ts';
import { analyseFrame } from '../analyse-frame.ts';
import type { Model } from '../model/session.ts';
import { fit } from '../picture/fit.ts';
import {
  constantModel,
  defaultModel,
  defaultModelOptions,
  keepsCode,
  limits,
  tensor,
} from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import { openRecogniser, type Recogniser, type RecogniserConfig } from './recogniser.ts';

const config = async (modelPath?: string): Promise<RecogniserConfig> => ({
  recognition: { ...(await defaultModelOptions()), modelPath, lanes: 1, memoryBytes: 2e9, seconds: 60 },
  lane: keepsCode,
});
let model: Model;
let recogniser: Recogniser;
beforeAll(async () => {
  model = await defaultModel();
});
afterEach(() => recogniser.close());

const plain = { threshold: 0.4, annotate: true, limits };
const names = ['cat.jpg', 'espresso.jpg', 'astronaut-small.jpg'];
type OnStage = (stage: string, pid: number) => void | Promise<void>;
const photo = (name: string, onStage: OnStage = () => {}, bytes = sample(name)) =>
  recogniser.photo({ name, bytes }, { ...plain, model: model.identity, onStage });

it('finds and draws what the core does, in a process of its own', async () => {
  recogniser = openRecogniser(await config());
  const { infer, inferRaw, room, close, ...understanding } = model;
  expect(await recogniser.model()).toEqual(understanding);
  const seen: string[] = [];
  const found = await photo('cat.jpg', (stage, pid) => void seen.push(`${stage} ${pid}`));
  const here = await analyse(sample('cat.jpg'), { ...plain, model });
  expect({ ...found, timings: {} }).toEqual({ ...here, timings: {} });
  const [pid] = recogniser.pids;
  expect(seen).toEqual(['probe', 'prepare', 'recognise', 'annotate'].map((stage) => `${stage} ${pid}`));
});

it('takes the frame of a video as the core does', async () => {
  recogniser = openRecogniser(await config());
  const size = { width: 451, height: 300 };
  const placed = fit(size, model.input, model.input.fit);
  const input = () =>
    sharp(sample('cat.jpg')).resize(placed.width, placed.height, { fit: 'fill' }).png().toBuffer();
  const picture = await sharp(sample('cat.jpg'))
    .resize(size.width, size.height, { fit: 'fill' })
    .jpeg()
    .toBuffer();
  const found = await recogniser.frame(
    { name: 'Scene 1', input: await input(), size, picture: Buffer.from(picture) },
    { ...plain, model: model.identity },
  );
  const here = await analyseFrame(
    { input: await input(), size, picture: async () => picture },
    { ...plain, model },
  );
  expect(found).toEqual(here);
  expect(found.detections).toMatchObject([{ label: 'cat' }]);
});

it('passes on what is wrong with a photo', async () => {
  recogniser = openRecogniser(await config());
  await expect(photo('notes.jpg', () => {}, Buffer.from('words'))).rejects.toMatchObject({
    code: 'unsupported_media',
  });
  await expect(
    photo('iphone.heic', () => {}, Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1')),
  ).rejects.toMatchObject({
    code: 'heic_unsupported',
  });
});

it('names a photo that ends its lane, and gives those beside it what they would have been given', async () => {
  recogniser = openRecogniser(await config());
  const alone = new Map<string, unknown>();
  for (const name of names) alone.set(name, { ...(await photo(name)), timings: {} });
  const die: OnStage = (stage, pid) => void (stage === 'recognise' && process.kill(pid, 'SIGSEGV'));
  const [killer, ...others] = await Promise.allSettled([
    photo('bad.jpg', die, sample('cat.jpg')),
    ...names.map((name) => photo(name)),
  ]);
  expect(killer).toMatchObject({
    reason: { code: 'poisonous_item', message: expect.stringMatching(/^bad\.jpg.*SIGSEGV/) },
  });
  expect(others.map((one) => one.status === 'fulfilled' && { ...one.value, timings: {} })).toEqual(
    names.map((name) => alone.get(name)),
  );
});

it('ends the lane of a photo that nobody waits for any more', async () => {
  recogniser = openRecogniser(await config());
  const calling = new AbortController();
  const asked = recogniser.photo(
    { name: 'cat.jpg', bytes: sample('cat.jpg') },
    {
      ...plain,
      model: model.identity,
      signal: calling.signal,
      onStage: (stage) => {
        if (stage !== 'recognise') return;
        calling.abort(new Error('enough'));
        return new Promise(() => {});
      },
    },
  );
  await expect(asked).rejects.toThrow('enough');
  expect(recogniser.pids).toEqual([]);
});

it('does not work with a model that was replaced as if it were the same', async () => {
  const constant = (value: number) =>
    constantModel({
      outputs: { boxes: tensor([1, 1, 4]), scores: tensor([1, 1, 3], [[0, 0, 1], value]) },
      card: { head: 'detr-sigmoid', labels: ['a', 'b', 'c'] },
    });
  const [modelPath, other] = [await constant(3), await constant(4)];
  recogniser = openRecogniser(await config(modelPath));
  const { identity } = await recogniser.model();
  const recognise = (as = identity) =>
    recogniser.photo({ name: 'cat.jpg', bytes: sample('cat.jpg') }, { ...plain, model: as });
  await recognise();
  await copyFile(other, modelPath);
  // As long as its lane is there, the model is what it was.
  await recognise();
  for (const pid of recogniser.pids) process.kill(pid, 'SIGKILL');
  await expect(recognise()).rejects.toMatchObject({
    code: 'unsupported_model',
    message: expect.stringContaining('replaced'),
  });
  const now = await recogniser.model();
  expect(now.identity.digest).not.toBe(identity.digest);
  await recognise(now.identity);
});

it('says what is wrong with the model', async () => {
  recogniser = openRecogniser(await config('/nowhere/model.onnx'));
  await expect(recogniser.model()).rejects.toMatchObject({
    code: 'unsupported_model',
    message: expect.stringContaining('/nowhere/model.onnx'),
  });
});

it('takes a system that starts no process for an outage, and for no fault of a photo', async () => {
  recogniser = openRecogniser(await config());
  const { execPath } = process;
  onTestFinished(() => {
    process.execPath = execPath;
  });
  process.execPath = '/nowhere/node';
  await expect(photo('cat.jpg')).rejects.toMatchObject({
    code: 'unsupported_model',
    problem: { retryable: true },
  });
});

it('loads nothing of what workers log and trace by into its process, which would open more slowly', async () => {
  const main = new URL('main.ts', import.meta.url).href;
  const script = `
    const { registerHooks } = await import('node:module');
    registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });
    // It has no parent to serve.
    await import(${JSON.stringify(main)}).catch(() => {});
    process.exit();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  expect(stdout).toContain('/sharp/');
  expect(stdout).not.toMatch(/opentelemetry|pino|prom-client/);
});

it('has neither the decoders nor the runtime in the process that holds credentials', async () => {
  recogniser = openRecogniser(await config());
  const script = `
    await import(${JSON.stringify(new URL('../jobs/activities.ts', import.meta.url).href)});
    const { readFileSync } = await import('node:fs');
    console.log(readFileSync('/proc/self/maps', 'utf8'));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    maxBuffer: 1 << 24,
  });
  expect(stdout).toContain('node');
  expect(stdout).not.toMatch(/vips|sharp|onnxruntime/);
});
