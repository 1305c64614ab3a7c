import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  type ManifestFile,
  type ManifestIndex,
  manifest,
  manifestFile,
  manifestIndex,
  problemOf,
} from '@darkroom/contract';
import { assumedOf, Estimates, newRuns } from '@darkroom/estimates';
import { createLogger } from '@darkroom/platform';
import {
  beginEnding,
  closeAttempt,
  type Fence,
  finishJob,
  getJobRow,
  keepStageResult,
  openStage,
  requestCancel,
  requestDelete,
  saveStageCheckpoint,
} from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { alone } from '@darkroom/storage/testing.ts';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  attemptAt,
  claimItem,
  failItem,
  published,
  publishItem,
  submitted,
  toy,
  toyKind,
} from '../../records/testing.ts';
import type { Attempt, FrameDeps } from '../attempt/attempt.ts';
import { startFrame, type TestFrame } from '../testing.ts';
import { frameActivities } from './finish.ts';
import { settleManifest, writeManifest } from './manifest.ts';
import { redoMissing } from './missing.ts';
import { publishJob } from './publish.ts';

/** How a job ends when whoever was about to end it has died, or has not. */

let frame: TestFrame;
let storage: Storage;
let deps: FrameDeps;
beforeAll(async () => {
  frame = await startFrame();
  ({ storage, deps } = frame);
});
afterAll(() => frame?.close());

async function attemptOf(fence: Fence): Promise<Attempt> {
  const job = (await getJobRow(deps.records.db, fence.jobId))!;
  return {
    deps,
    call: { jobId: fence.jobId, run: fence.run, stage: 'pack' },
    fence,
    job,
    kind: toy,
    signal: new AbortController().signal,
    log: { line() {} },
    progress: { goesOn: () => {}, closeBeforeEnd: async () => {} },
    assertHeld: async () => {},
  } as unknown as Attempt;
}

test('an item of an earlier stage that was set back by an attempt that died keeps the job from being published without it', async () => {
  const { db, sql } = deps.records;
  const jobId = await submitted(deps.records, { items: 1 });
  await sql`insert into job_items (job_id, stage, ordinal, key, input) values (${jobId}, 'read', 1, 'source', '{}')`;
  const fence = await attemptAt(deps.records, jobId);
  for (const stage of ['read', 'work']) {
    await claimItem(db, fence, stage, 1);
    const { uri, size, sha256 } = await storage.putBytes(`out/${jobId}/${stage}`, Buffer.from(stage), {
      contentType: 'text/plain',
    });
    const file = { path: stage, uri, bytes: size, sha256, contentType: 'text/plain' };
    await publishItem(db, fence, stage, 1, { ...published, files: [file] });
  }
  await storage.remove([`out/${jobId}/read`], alone);
  const publish = async () => publishJob(await attemptOf(fence), { stage: 'work', objects: [], result: {} });
  expect(await redoMissing(await attemptOf(fence), [])).toBe(1);
  // The attempt dies before it has answered; the next one:
  expect(await publish()).toEqual({ missing: 1 });
  expect((await getJobRow(db, jobId))?.finishedAt).toBeNull();
});

test('what a job took that has ended well is what the next ones are estimated by; what waited or was done before is not in it', async () => {
  const { db, sql } = deps.records;
  const kind = {
    ...toyKind,
    estimate: {
      seconds: { base: 1, per: { items: 1 } },
      key: ({ size }: Record<string, unknown>) => `size ${size}`,
    },
  };
  const logger = createLogger({ service: 'test', level: 'fatal' });
  const estimates = new Estimates({ records: deps.records, logger, assumed: assumedOf({ toy: kind }) });
  const end = async (run: number, failed = false) => {
    const jobId = await submitted(deps.records, { items: 2 });
    await sql`update job_stages set size = '{"items": 2}' where job_id = ${jobId} and name = 'work'`;
    await sql`update jobs set run = ${run}, estimate = '{"seconds": {"p50": 10, "p90": 20}}' where id = ${jobId}`;
    const fence = await attemptAt(deps.records, jobId, { run });
    for (const ordinal of [1, 2]) await claimItem(db, fence, 'work', ordinal);
    await publishItem(db, fence, 'work', 1, published);
    if (failed) await failItem(db, fence, 'work', 2, problemOf('empty_file', 'no bytes'));
    else await publishItem(db, fence, 'work', 2, published);
    await closeAttempt(db, fence, { outcome: 'succeeded', workMs: 30_000 });
    // A minute since its start, half of which nobody was at it.
    await sql`update jobs set started_at = now() - interval '1 minute' where id = ${jobId}`;
    const last = await attemptAt(deps.records, jobId, { run, stage: 'pack', activity: 'publish' });
    const attempt = { ...(await attemptOf(last)), call: { jobId, run, stage: 'pack' }, kind } as Attempt;
    await publishJob(
      { ...attempt, deps: { ...deps, estimates } },
      { stage: 'work', objects: [], result: {} },
    );
    await estimates.flush();
  };
  await end(1);
  await end(2);
  await end(1, true);
  const noted = await newRuns(db, []);
  expect(noted).toMatchObject([
    {
      kind: 'toy',
      key: 'size 1',
      count: 1,
      runs: [{ features: { items: 2 }, estimated: { p50: 10, p90: 20 } }],
    },
  ]);
  const seconds = noted[0]?.runs[0]?.seconds;
  expect(seconds).toBeGreaterThanOrEqual(30);
  expect(seconds).toBeLessThan(40);
});

test('a job is not published any more when its cancel was answered, however late the engine tells of it', async () => {
  const { db } = deps.records;
  const jobId = await submitted(deps.records, { items: 1 });
  const fence = await attemptAt(deps.records, jobId);
  await claimItem(db, fence, 'work', 1);
  await publishItem(db, fence, 'work', 1, published);
  const engine = new AbortController();
  const attempt = {
    ...(await attemptOf(fence)),
    signal: engine.signal,
    // The last thing before the end.
    progress: { goesOn: () => {}, closeBeforeEnd: () => requestCancel(db, jobId, 'enough') },
  } as unknown as Attempt;
  const publishing = publishJob(attempt, { stage: 'work', objects: [], result: {} });
  const told = new Error('The engine has told of the cancel.');
  const ended = expect(publishing).rejects.toBe(told);
  await expect.poll(async () => (await getJobRow(db, jobId))?.state).toBe('cancelling');
  engine.abort(told);
  await ended;
  const { finish } = frameActivities(deps);
  const call = { jobId, run: 1, stage: 'finish' };
  const end = () => new MockActivityEnvironment().run(() => finish(call, { state: 'cancelled' }));
  expect(await end()).toBe('cancelled');
  expect(await getJobRow(db, jobId)).toMatchObject({ state: 'cancelled', cancelReason: 'enough', files: 0 });
});

describe('objects that a stage names', () => {
  const put = async (jobId: string, name: string) => {
    const { uri, size, sha256 } = await storage.putBytes(`out/${jobId}/${name}`, Buffer.from(name), {
      contentType: 'text/plain',
    });
    return { path: name, uri, bytes: size, sha256, contentType: 'text/plain' };
  };
  const there = async (jobId: string) => {
    const names: string[] = [];
    for await (const { key } of storage.list(`out/${jobId}/`)) names.push(key.split('/').at(-1)!);
    return names.sort();
  };
  const ofStage = async (fence: Fence, digest: string, names: readonly string[]) => {
    const { db } = deps.records;
    const files = await Promise.all(names.map((name) => put(fence.jobId, name)));
    const objects = files.map(({ uri }) => uri);
    await openStage(db, fence, 'pack', digest);
    await keepStageResult(db, fence, { name: 'pack', digest, result: 1, objects });
    await put(fence.jobId, 'half');
    return files;
  };
  const finish = async ({ jobId }: Fence, state: 'failed' | 'cancelled') =>
    new MockActivityEnvironment().run(() =>
      frameActivities(deps).finish({ jobId, run: 1, stage: 'finish' }, { state }),
    );

  test('stay with a job that failed, as long as they are of what its stage was last', async () => {
    const { db } = deps.records;
    const jobId = await submitted(deps.records);
    const fence = await attemptAt(deps.records, jobId);
    await ofStage(fence, 'd', ['film', 'table']);
    await ofStage(fence, 'e', ['table']);
    const cursor = { name: 'work', digest: 'd', cursor: {} };
    await saveStageCheckpoint(db, fence, { ...cursor, objects: [(await put(jobId, 'part')).uri] });
    expect(await finish(fence, 'failed')).toBe('failed');
    expect(await there(jobId)).toEqual(['part', 'table']);
  });

  test.each([
    { when: '', dies: false },
    { when: ', also where the worker dies right after that', dies: true },
  ])(
    'go when the job has succeeded, unless its results list them, or they are not its own$when',
    async ({ dies }) => {
      const { db } = deps.records;
      const jobId = await submitted(deps.records, { items: 0 });
      const fence = await attemptAt(deps.records, jobId);
      const other = await submitted(deps.records);
      const delivered = await put(other, 'delivered');
      const [film, table] = await ofStage(fence, 'd', ['film', 'table']);
      // What its work went on from goes as well.
      const part = await put(jobId, 'part');
      await saveStageCheckpoint(db, fence, { name: 'pack', digest: 'd', cursor: {}, objects: [part.uri] });
      await keepStageResult(db, fence, {
        name: 'pack',
        digest: 'd',
        result: 1,
        objects: [film!.uri, table!.uri, delivered.uri],
      });
      if (dies) {
        await finishJob(db, { jobId, run: 1, state: 'succeeded', ownFiles: [film!] });
        expect(await finish(fence, 'failed')).toBe('succeeded');
      } else {
        const written = [{ ...film!, item: null }];
        await publishJob(await attemptOf(fence), { stage: 'work', objects: [], written, result: {} });
      }
      expect(await there(jobId)).toEqual(['film', 'half', ...(dies ? [] : ['manifest.json'])]);
      expect(await there(other)).toEqual(['delivered']);
    },
  );
});

describe('a manifest', () => {
  const fileOf = (n: number, sha256 = 's'): ManifestFile => ({
    path: `${n}.txt`,
    uri: `s3://b/${n}`,
    bytes: n,
    sha256,
    crc32: n,
    contentType: 'text/plain',
    item: String(n),
  });
  const filesOf = (count: number, another?: number) =>
    Array.from({ length: count }, (_, i) => fileOf(i + 1, i + 1 === another ? 'another' : 's'));
  const write = (attempt: Attempt, files: readonly ManifestFile[]) =>
    writeManifest(attempt, Readable.from(files) as AsyncIterable<ManifestFile>, 3);
  const textOf = async (uri: string) => String(await storage.getBytes(uri, { maxBytes: 10_000 }));
  const there = async (jobId: string) => {
    const uris: string[] = [];
    for await (const { uri } of storage.list(`out/${jobId}/`)) uris.push(uri);
    return uris.sort();
  };
  const linesOf = async (index: ManifestIndex) => {
    const texts = await Promise.all(index.parts.map(({ uri }) => textOf(uri)));
    return texts.flatMap((text) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => manifestFile.parse(JSON.parse(line))),
    );
  };
  const succeed = async (jobId: string, uri: string) => {
    const end = { jobId, run: 1, state: 'succeeded', result: { manifest: uri } } as const;
    expect(await finishJob(deps.records.db, end)).toBe(true);
  };
  const settle = (jobId: string, on = deps) =>
    settleManifest(on, { jobId, run: 1 }, new AbortController().signal);

  test('of few files is one document; of many an index of parts, named by what is in them', async () => {
    const jobId = await submitted(deps.records);
    const attempt = await attemptOf(await attemptAt(deps.records, jobId));
    const whole = await write(attempt, filesOf(3));
    expect(whole).toMatchObject({ files: 3, objects: [{ uri: whole.uri }] });
    expect(manifest.parse(JSON.parse(await textOf(whole.uri)))).toEqual({
      job: jobId,
      kind: 'toy',
      files: filesOf(3),
    });

    const before = await write(attempt, filesOf(7));
    const seen = filesOf(7, 5);
    const inParts = await write(attempt, seen);
    expect(inParts.files).toBe(7);
    const index = manifestIndex.parse(JSON.parse(await textOf(inParts.uri)));
    expect(index).toMatchObject({ job: jobId, kind: 'toy', total: 7 });
    expect(index.parts.map(({ files }) => files)).toEqual([3, 3, 1]);
    for (const { uri, bytes, sha256 } of index.parts) {
      const text = await textOf(uri);
      expect({ bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') }).toEqual({
        bytes,
        sha256,
      });
    }
    expect(await linesOf(index)).toEqual(seen);
    // Parts that are the same have the same name: only the one that changed is another.
    const [, first, second] = before.objects.map(({ uri }) => uri);
    expect(index.parts.map(({ uri }) => uri)).toEqual([
      first,
      expect.not.stringMatching(second!),
      before.objects[3]?.uri,
    ]);

    // Nothing is settled before the row has its end.
    await settle(jobId);
    expect(await textOf(whole.uri)).toContain('"files"');
    await succeed(jobId, inParts.uri);
    await settle(jobId);
    expect(await there(jobId)).toEqual([whole.uri, ...inParts.objects.map(({ uri }) => uri)].sort());
    expect(await textOf(whole.uri)).toBe(await textOf(inParts.uri));
  });

  test('of an attempt that was stopped between parts and index, and overtaken, changes nothing when it goes on', async () => {
    const jobId = await submitted(deps.records);
    const fence = await attemptAt(deps.records, jobId);
    const stopped = Promise.withResolvers<void>();
    const goesOn = Promise.withResolvers<void>();
    const stopping: Storage = {
      ...storage,
      async putBytes(target, ...rest) {
        if (!target.endsWith('.ndjson')) {
          stopped.resolve();
          await goesOn.promise;
        }
        return storage.putBytes(target, ...rest);
      },
    };
    const late = await attemptOf(fence);
    const writesLate = write({ ...late, deps: { ...deps, storage: stopping } }, filesOf(7));
    await stopped.promise;
    const next = await attemptOf(await attemptAt(deps.records, jobId, { attempt: 2 }));
    const { uri } = await write(next, filesOf(7, 2));
    await succeed(jobId, uri);
    await settle(jobId);
    goesOn.resolve();
    await writesLate;
    const known = `s3://${storage.bucket}/out/${jobId}/manifest.json`;
    for (const name of [uri, known]) {
      const index = manifestIndex.parse(JSON.parse(await textOf(name)));
      expect(await linesOf(index)).toEqual(filesOf(7, 2));
    }
  });

  test('of a job that is removed the moment it has succeeded holds nobody up', async () => {
    const jobId = await submitted(deps.records);
    const attempt = await attemptOf(await attemptAt(deps.records, jobId));
    const { uri } = await write(attempt, filesOf(7));
    await succeed(jobId, uri);
    await requestDelete(deps.records.db, jobId);
    await storage.removePrefix(`out/${jobId}/`, { assertHeld: async () => {} });
    const call = { jobId, run: 1, stage: 'finish' };
    const { finish } = frameActivities(deps);
    expect(await new MockActivityEnvironment().run(() => finish(call, { state: 'cancelled' }))).toBe(
      'succeeded',
    );
    expect(await there(jobId)).toEqual([]);
  });

  test('in parts gets the name that users know also where the worker dies right after the end', async () => {
    const jobId = await submitted(deps.records);
    const attempt = await attemptOf(await attemptAt(deps.records, jobId));
    const { uri } = await write(attempt, filesOf(7));
    await succeed(jobId, uri);
    const call = { jobId, run: 1, stage: 'finish' };
    const { finish } = frameActivities(deps);
    expect(await new MockActivityEnvironment().run(() => finish(call, { state: 'failed' }))).toBe(
      'succeeded',
    );
    expect(await textOf(`out/${jobId}/manifest.json`)).toBe(await textOf(uri));
  });
});

test('a run whose ending was taken over by an attempt that died then is not taken for ended', async () => {
  const { db } = deps.records;
  const jobId = await submitted(deps.records);
  await attemptAt(deps.records, jobId);
  let takeOver = true;
  const meanwhile: Storage = {
    ...storage,
    async removePrefix(...args) {
      if (takeOver) await beginEnding(db, { jobId, run: 1 });
      takeOver = false;
      return storage.removePrefix(...args);
    },
  };
  const { finish } = frameActivities({ ...deps, storage: meanwhile });
  const call = { jobId, run: 1, stage: 'finish' };
  const end = () =>
    new MockActivityEnvironment().run(() => finish(call, { state: 'failed', code: 'outage' }));
  await expect(end()).rejects.toMatchObject({ name: 'Fenced' });
  expect((await getJobRow(db, jobId))?.finishedAt).toBeNull();
  expect(await end()).toBe('failed');
  // Of a run that has ended, by whomever, its end is told.
  expect(await finishJob(db, { jobId, run: 1, state: 'cancelled' })).toBe(false);
  expect(await end()).toBe('failed');
});
