import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { manifest, modelList } from '@darkroom/contract';
import { modelProblems } from '@darkroom/models';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ReceivedSpan, startOtlpReceiver } from '../harness/otlp.ts';
import type { TestProcess } from '../harness/process.ts';
import { startTestStack } from '../harness/stack.ts';
import { ApiUser, sample } from '../harness/user.ts';

/** The journey of a user: photos in over HTTP, findings out, on the real parts. */

let stack: Awaited<ReturnType<typeof startTestStack>>;
let otlp: Awaited<ReturnType<typeof startOtlpReceiver>>;
let api: TestProcess & { url: string };
let records: Records;
let storage: Storage;
let ada: ApiUser;
let bob: ApiUser;

beforeAll(async () => {
  otlp = await startOtlpReceiver();
  stack = await startTestStack('photo', {
    OTEL_EXPORTER_OTLP_ENDPOINT: otlp.url,
    OTEL_BSP_SCHEDULE_DELAY: '200',
    RETENTION_ANALYSIS_DAYS: '7',
  });
  const { postgres, s3 } = stack.stack;
  await migrate(postgres);
  records = await openRecords({ url: postgres });
  storage = createStorage({ ...s3, forcePathStyle: true });
  [api] = await Promise.all([stack.startApi(), stack.startWorker()]);
  const user = async (owner: string) => {
    const { key } = await createKey(records.db, { owner, group: null, role: 'user', priority: 3 });
    return new ApiUser(api.url, key);
  };
  ada = await user('ada');
  bob = await user('bob');
}, 300_000);

afterAll(async () => {
  await records?.close();
  storage?.close();
  await stack?.close();
  await otlp?.stop();
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('one photo', () => {
  let task: string;

  test('is recognised and drawn', async () => {
    task = await ada.analyse([await sample('cat.jpg')]);
    const job = await ada.ended(task);
    expect(job).toMatchObject({ kind: 'photo', state: 'succeeded', problem: null, warnings: 0 });
    expect(job.progress.percent).toBe(100);
    const kept = Date.parse(job.resultsExpireAt ?? '') - Date.parse(job.finishedAt ?? '');
    expect(kept / 86_400_000).toBeCloseTo(7, 3);
    expect(job.progress.stages.map(({ name, state, done, total }) => ({ name, state, done, total }))).toEqual(
      ['probe', 'prepare', 'recognise', 'annotate', 'publish'].map((name) => ({
        name,
        state: 'succeeded',
        done: 1,
        total: 1,
      })),
    );
    const [found] = await ada.segments(task);
    expect(found).toMatchObject({
      segment_id: 1,
      filename: 'cat.jpg',
      state: 'succeeded',
      width: 451,
      height: 300,
    });
    expect(found?.detections[0]).toMatchObject({ label: 'cat' });
    expect(found?.detections[0]?.score).toBeGreaterThan(0.9);
    const picture = await fetch(found!.links.annotated!);
    expect(picture.headers.get('content-type')).toBe('image/jpeg');
    expect(new Uint8Array(await picture.arrayBuffer()).subarray(0, 2)).toEqual(Uint8Array.of(0xff, 0xd8));
  });

  test('was estimated when it came in, and teaches the next ones how long it took', async () => {
    const { estimate, size } = await ada.job(task);
    expect(estimate).toMatchObject({ runs: 0, error: null });
    const noted = () => records.sql<{ features: object; seconds: number; estimated: object }>`
      select features, seconds, estimated from estimate_runs where kind = 'photo'`;
    await expect.poll(noted).toMatchObject([{ features: size, estimated: estimate!.seconds }]);
    const [run] = await noted();
    expect(run!.seconds).toBeGreaterThan(0.05);
    expect(run!.seconds).toBeLessThan(120);
  });

  test('lies in S3 as its users know it', async () => {
    expect(await keysUnder(storage, `input-files/${task}/`)).toEqual([`input-files/${task}/cat.jpg`]);
    expect((await keysUnder(storage, `recognition-results/${task}/`)).sort()).toEqual(
      ['1_result.jpg', '1_result.json', 'coco.json', 'manifest.json', 'results.csv'].map(
        (name) => `recognition-results/${task}/${name}`,
      ),
    );
  });

  test('has a manifest whose digests are those of its objects', async () => {
    const raw = await storage.getBytes(`recognition-results/${task}/manifest.json`, { maxBytes: 1e6 });
    const { files } = manifest.parse(JSON.parse(raw.toString()));
    expect(files.map((file) => file.path).sort()).toEqual([
      '1_result.jpg',
      '1_result.json',
      'coco.json',
      'results.csv',
    ]);
    for (const file of files) {
      const bytes = await storage.getBytes(file.uri, { maxBytes: 1e7 });
      expect({ bytes: bytes.length, sha256: sha256(bytes) }).toEqual({
        bytes: file.bytes,
        sha256: file.sha256,
      });
    }
  });

  test('is one trace, from the request to the calls of S3 and SQL', async () => {
    const { traceId } = await ada.job(task);
    const ofTrace = () => otlp.spans.filter((span) => span.traceId === traceId);
    const has = (spans: readonly ReceivedSpan[], service: string, name: RegExp): boolean =>
      spans.some((span) => span.service === service && name.test(span.name));
    await expect
      .poll(() => has(ofTrace(), 'darkroom-worker', /^RunWorkflow/), { timeout: 60_000 })
      .toBe(true);
    const spans = ofTrace();
    expect(has(spans, 'darkroom-api', /analysis/)).toBe(true);
    expect(has(spans, 'darkroom-api', /^StartWorkflow/)).toBe(true);
    expect(has(spans, 'darkroom-worker', /^S3 GetObject/)).toBe(true);
    expect(has(spans, 'darkroom-worker', /^S3 PutObject/)).toBe(true);
    expect(has(spans, 'darkroom-worker', /^SQL/)).toBe(true);
    const activity = spans.find((span) => span.name.startsWith('RunActivity:analysePhotos'));
    expect(activity?.attributes).toMatchObject({ 'darkroom.job': task, 'darkroom.stage': 'recognise' });
    // Every span but the first hangs on another of the same trace.
    const ids = new Set(spans.map((span) => span.spanId));
    const roots = spans.filter((span) => span.parentSpanId === undefined || !ids.has(span.parentSpanId));
    expect(roots.map((span) => span.service)).toEqual(['darkroom-api']);
    // A presigned link or a key must not get into a trace.
    expect(JSON.stringify(spans)).not.toMatch(/X-Amz-Signature|dk_[\w-]{20}/);
  });

  test('is found by its label, by its owner alone', async () => {
    const found = z.object({ segments: z.array(z.object({ task_id: z.string() })) });
    const search = async (user: ApiUser) =>
      found.parse(await (await user.call('/v1/segments?label=cat&minScore=0.5')).json()).segments;
    expect((await search(ada)).map((one) => one.task_id)).toContain(task);
    expect(await search(bob)).toEqual([]);
    for (const path of [`/analysis/${task}`, `/v1/jobs/${task}`, `/analysis/${task}/segments/1`]) {
      expect((await bob.call(path)).status).toBe(404);
    }
  });

  test('comes again with other options by rerun, over the same upload', async () => {
    const answer = await ada.post(`/v1/jobs/${task}/rerun`, { labels: ['dog'], annotate: false });
    expect(answer.status).toBe(202);
    const { id } = z.object({ id: z.string() }).parse(await answer.json());
    expect(await ada.ended(id)).toMatchObject({ state: 'succeeded', rerunOf: task });
    expect((await ada.segments(id))[0]?.detections).toEqual([]);
    expect(await keysUnder(storage, `input-files/${id}/`)).toEqual([]);
    // The upload outlives the first job for as long as the second reads it.
    await removed(task);
    expect(await keysUnder(storage, `recognition-results/${task}/`)).toEqual([]);
    expect(await keysUnder(storage, `input-files/${task}/`)).toHaveLength(1);
    await removed(id);
    expect(await keysUnder(storage, `input-files/${task}/`)).toEqual([]);
  });

  async function removed(id: string): Promise<void> {
    await expect
      .poll(async () => (await ada.call(`/analysis/${id}`, { method: 'DELETE' })).status, { timeout: 60_000 })
      .toBe(204);
    expect((await ada.call(`/analysis/${id}`)).status).toBe(404);
  }
});

describe('many photos', () => {
  test('succeed with warnings when one of them is damaged, which is named', async () => {
    const cat = await sample('cat.jpg');
    const broken = { name: 'broken.jpg', bytes: cat.bytes.slice(0, cat.bytes.length / 3) };
    const task = await ada.analyse([cat, broken, await sample('espresso.jpg')]);
    expect(await ada.ended(task)).toMatchObject({ state: 'succeeded_with_warnings', warnings: 1 });
    const [first, second, third] = await ada.segments(task);
    expect(first?.detections.map((found) => found.label)).toContain('cat');
    expect(second).toMatchObject({
      filename: 'broken.jpg',
      state: 'failed',
      problem: { code: 'truncated_image' },
    });
    expect(third?.detections.map((found) => found.label)).toContain('cup');
    expect(await keysUnder(storage, `input-files/${task}/`)).toContain(`input-files/${task}/2/broken.jpg`);
    const archive = await ada.call(`/v1/jobs/${task}/results/archive`);
    expect(archive.headers.get('content-type')).toBe('application/zip');
    expect((await archive.arrayBuffer()).byteLength).toBeGreaterThan(10_000);
  });

  test('a photo that turns out damaged fails its task by its own reason, and a resume is a trace linked to the first', async () => {
    const cat = await sample('cat.jpg');
    const task = await ada.analyse([{ name: 'half.jpg', bytes: cat.bytes.slice(0, cat.bytes.length / 2) }]);
    const first = await ada.ended(task);
    expect(first).toMatchObject({ state: 'failed', problem: { code: 'truncated_image', fault: 'yours' } });
    expect((await ada.post(`/v1/jobs/${task}/resume`)).status).toBe(202);
    const again = await ada.ended(task);
    expect(again).toMatchObject({ state: 'failed', run: 2 });
    expect(again.traceId).not.toBe(first.traceId);
    const linked = (): boolean =>
      otlp.spans.some((span) => span.traceId === again.traceId && span.links.includes(first.traceId!));
    await expect.poll(linked, { timeout: 60_000 }).toBe(true);
  });

  test('pictures of too many pixels are refused by name of the limit', async () => {
    const { default: sharp } = await import('sharp');
    const large = await sharp({ create: { width: 15_000, height: 15_000, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    const task = await ada.analyse([{ name: 'bomb.png', bytes: new Uint8Array(large) }]);
    const job = await ada.ended(task);
    expect(job).toMatchObject({ state: 'failed', problem: { code: 'too_many_pixels', fault: 'limit' } });
    expect(job.problem?.next).toContain('LIMIT_PHOTO_PIXELS');
  });
});

describe('the model', () => {
  test('is listed; a label that it does not know is refused, and fails the job where nobody was asked', async () => {
    const { models } = modelList.parse(await (await ada.call('/v1/models?serves=recognition')).json());
    expect(models).toMatchObject([
      { name: 'ssdlite-mobilenet-v2', versions: [{ family: 'ssdlite', workers: 1 }] },
    ]);
    expect(models[0]?.versions[0]).toMatchObject({ guessed: false, input: { width: 300 } });
    expect(models[0]?.versions[0]?.labels).toContainEqual({ classId: 17, label: 'cat' });
    const ready = z.object({ recognition: z.object({ ready: z.boolean() }) });
    expect(ready.parse(await (await ada.call('/status/ready')).json()).recognition.ready).toBe(true);

    const task = await ada.analyse([await sample('cat.jpg')], { labels: 'cat', thresholds: 'cat=0.99' });
    expect(await ada.ended(task)).toMatchObject({ state: 'succeeded' });
    expect((await ada.segments(task))[0]?.detections).toEqual([]);
    const again = await ada.post(`/v1/jobs/${task}/rerun`, { labels: ['catt'] });
    const { id } = z.object({ id: z.string() }).parse(await again.json());
    expect(await ada.ended(id)).toMatchObject({
      state: 'failed',
      problem: { code: 'unknown_label', fault: 'yours', detail: expect.stringContaining('nearest: cat') },
    });
  });

  test('that cannot be opened is told by its worker when it starts, until it stops', async () => {
    const file = join(stack.home, 'cat.onnx');
    await writeFile(file, 'a picture of a cat');
    const worker = await stack.startWorker({ MODEL_PATH: file, DARKROOM_QUEUES: 'recognition' });
    const problems = async () => (await modelProblems(records.db)).map(({ problem }) => problem);
    expect(await problems()).toMatchObject([
      { code: 'unsupported_model', detail: expect.stringContaining('cat.onnx') },
    ]);
    await worker.stop();
    expect(await problems()).toEqual([]);
  });
});
