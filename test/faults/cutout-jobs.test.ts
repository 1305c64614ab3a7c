import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { TestProcess } from '../harness/process.ts';
import { type Jobs, openJobs, pixels } from './cutouts/jobs.ts';
import { type Kept, keep } from './cutouts/kept.ts';
import {
  type CutoutItemRow,
  claimsInHand,
  cutoutsOf,
  digestsOf,
  faultsOf,
  isTakenUp,
  keysOf,
  madeOf,
} from './cutouts/outcome.ts';
import { damaged, type Row, rowsOn, tileFile } from './cutouts/tiles.ts';
import { attemptsOf, openUploadsOf, tablesWith } from './ledger.ts';
import { failpoints, readJournal, until } from './platform.ts';

/** Cutouts as jobs, while those who make them die, stop, or find tiles that are no longer what they were. */

const tiles = 5;
/** The suite has time for some; CUTOUT_FAULT_ROWS=10000 takes five minutes. */
const rows = rowsOn(tiles, Number(process.env.CUTOUT_FAULT_ROWS ?? 3000));
/** For what does not take so many. */
const some = rows.slice(0, 600);

let jobs: Jobs;
/** SHA-256 of each file of the list, of an undisturbed run. */
let expected: Map<string, string>;
/** A job that was cancelled, and has been resumed. */
let resumed: string;

const expectedOf = (some: readonly Row[]): Map<string, string> =>
  new Map(some.map(({ id }) => [`${id}.fits`, expected.get(`${id}.fits`)!]));

beforeAll(async () => {
  jobs = await openJobs('cutout jobs');
  await jobs.survey('calm', tiles);
  const [, ...workers] = await Promise.all([jobs.platform.lightWorker(), jobs.worker(), jobs.worker()]);
  const undisturbed = await jobs.submit('calm', rows);
  expect(await jobs.ended(undisturbed, 900)).toMatchObject({ state: 'succeeded', warnings: 0 });
  expected = digestsOf(await cutoutsOf(jobs.platform, undisturbed));
  expect(expected.size).toBe(rows.length);
  expect(await faultsOf(jobs.platform, undisturbed, { rows, expected })).toEqual([]);
  await Promise.all(workers.map((worker) => worker.stop()));
}, 1_200_000);
afterAll(async () => {
  await jobs?.close();
}, 180_000);

/** The key of a row so far down the list, on that tile. */
const keyAt = (share: number, tile: number): string =>
  String(Math.floor((share * rows.length) / tiles) * tiles + tile + 1);

/** A worker that stops with the test. */
async function worker(env: Record<string, string> = {}): Promise<TestProcess> {
  const started = await jobs.worker(env);
  onTestFinished(() => started.stop());
  return started;
}

/** The same, that is started again whenever it has died. */
async function kept(env: Record<string, string>): Promise<Kept> {
  const started = await keep(() => jobs.worker(env));
  onTestFinished(() => started.stop());
  return started;
}

test('workers die ten times, and one is stopped for longer than it is waited for: each row once, as if nothing had been', async () => {
  const { platform } = jobs;
  const journal = join(platform.stack.home, 'cutouts.journal');
  const id = await jobs.submit('calm', rows);
  const points = {
    // Whoever plans first is not alone with this: workers that begin side by side do not know of each other.
    'plan.saved': { kill: 1, times: 1 },
    'stage.before-keep': { killOnce: ['plan'] },
    // On different tiles.
    'cutouts.cut': { killOnce: [keyAt(0.1, 0), keyAt(0.4, 1)] },
    'item.claimed': { killOnce: [keyAt(0.25, 2)] },
    'item.before-publish': { killOnce: [keyAt(0.58, 3)] },
    'item.published': { killOnce: [keyAt(0.73, 4)] },
    'activity.cutCutouts.done': { killOnce: [id] },
    'job.before-manifest': { killOnce: [id] },
    'job.before-finish': { killOnce: [id] },
  };
  const deaths = async () => (await readJournal(journal)).filter(({ action }) => action.startsWith('kill'));
  const env = failpoints({ journal, points });
  const workers = await Promise.all([kept(env), kept(env)]);

  const opened = async (): Promise<{ process: TestProcess; claim: number } | undefined> => {
    const inHand = await claimsInHand(platform, id);
    const page = (await attemptsOf(platform, id)).find(
      ({ outcome, claim }) => outcome === null && inHand.includes(claim),
    );
    const of = workers.find(({ process }) => page?.worker.endsWith(`/${process.pid}`));
    return of && { process: of.process, claim: page!.claim };
  };
  const stopped = await until(
    async () => {
      const page = (await madeOf(platform, id)) > 0 && (await opened());
      if (!page) return undefined;
      page.process.kill('SIGSTOP');
      // It may have got on meanwhile.
      if ((await claimsInHand(platform, id)).includes(page.claim)) return page;
      page.process.kill('SIGCONT');
      return undefined;
    },
    { seconds: 300, what: 'a worker with cutouts in hand', everyMs: 200 },
  );
  await kept(env);
  const lost = async (): Promise<boolean> =>
    (await attemptsOf(platform, id)).some(
      ({ claim, outcome }) => claim === stopped.claim && outcome === 'fenced',
    );
  await until(lost, { seconds: 120, what: 'another worker to take its page' }).finally(() =>
    stopped.process.kill('SIGCONT'),
  );

  expect(await jobs.ended(id, 1200)).toMatchObject({ state: 'succeeded', warnings: 0 });
  const died = await deaths();
  expect(new Set(died.map(({ point }) => point))).toEqual(new Set(Object.keys(points)));
  expect(died.length).toBeGreaterThanOrEqual(10);
  const attempts = await attemptsOf(platform, id);
  for (const { point, pid } of died) expect(isTakenUp(attempts, pid), point).toBe(true);
  expect(await faultsOf(platform, id, { rows, expected, contents: true })).toEqual([]);
  const items = await cutoutsOf(platform, id);
  // Those in hand at a death, and no others.
  expect(items.filter(({ attempt }) => attempt > 1).length).toBeGreaterThan(0);
  expect(items.filter(({ attempt }) => attempt > 1).length).toBeLessThan(rows.length / 4);
  expect(await openUploadsOf(platform)).toEqual([]);
}, 1_800_000);

test.each([false, true])(
  'a tile of which a row is damaged fails what touches it by its name, and nothing else (verified: %s)',
  async (verify) => {
    const { platform } = jobs;
    const { records, storage } = platform;
    const survey = verify ? 'verified' : 'unverified';
    const onTwo = rowsOn(2, 300);
    await jobs.survey(survey, 2, { verify });
    await worker();
    const whole = await jobs.submit(survey, onTwo);
    expect(await jobs.ended(whole)).toMatchObject({ state: 'succeeded', warnings: 0 });
    const right = digestsOf(await cutoutsOf(platform, whole));

    const damagedRow = 300;
    const { file, blocks } = await damaged(tileFile(1), damagedRow);
    const uri = jobs.tileUri(survey, 1);
    if (verify) {
      await jobs.putTile(survey, 1, file);
      // As bits rot in a store: the object says that it is what it was.
      const { etag } = await storage.head(uri);
      await records.sql`update survey_files set etag = ${etag} where uri = ${uri}`;
      await records.sql`update survey_checksums set etag = ${etag} where uri = ${uri}`;
    } else await jobs.survey(survey, 2, { changes: new Map([[1, file]]) });
    const id = await jobs.submit(survey, onTwo);
    const job = await jobs.ended(id);
    const items = await cutoutsOf(platform, id);
    const failed = items.filter(({ state }) => state === 'failed');
    expect(job).toMatchObject({ state: 'succeeded_with_warnings', warnings: failed.length });
    for (const { code, detail } of failed) {
      expect(code).toBe('corrupt_tile');
      expect(detail).toContain(uri);
    }
    /** Rows of cutouts whose middle is so many pixels from what is damaged at most; of those that are of one tile alone. */
    const [from, to] = verify ? blocks : [damagedRow, damagedRow];
    const near = (margin: number): string[] =>
      items.flatMap(({ key, group }) => {
        const { tile, y } = onTwo[Number(key) - 1]!;
        const isNear = tile === 1 && y > from - margin && y < to + 1 + margin;
        return isNear && group?.startsWith('mosaic:') === false ? [key] : [];
      });
    const broken = failed.flatMap(({ key, group }) => (group?.startsWith('mosaic:') ? [] : [key]));
    expect(near(6).length).toBeGreaterThan(0);
    expect(broken).toEqual(expect.arrayContaining(near(6)));
    expect(near(11)).toEqual(expect.arrayContaining(broken));
    for (const { files } of failed) expect(files).toBeNull();
    const sound = items.flatMap(({ state, files }) => (state === 'succeeded' ? (files ?? []) : []));
    expect(sound.length).toBeGreaterThan(onTwo.length / 3);
    const wanted = new Map(sound.map(({ path }) => [path, right.get(path)!]));
    expect(await faultsOf(platform, id, { rows: onTwo, expected: wanted, contents: true })).toEqual([]);
  },
  600_000,
);

test('of a tile that is replaced once the job is planned nothing is cut, and that is told', async () => {
  const { platform } = jobs;
  await jobs.survey('replaced', 2);
  const journal = join(platform.stack.home, 'replaced.journal');
  const stopping = await worker(
    failpoints({ journal, points: { 'activity.cutCutouts': { stop: true, times: 1 } } }),
  );
  const onTwo = rowsOn(2, 200);
  const id = await jobs.submit('replaced', onTwo);
  await until(async () => (await readJournal(journal)).length > 0, { what: 'the job to be planned' });
  await jobs.putTile('replaced', 1, tileFile(7));
  stopping.kill('SIGCONT');
  const job = await jobs.ended(id);
  const items = await cutoutsOf(platform, id);
  const failed = items.filter(({ state }) => state === 'failed');
  expect(job).toMatchObject({ state: 'succeeded_with_warnings', warnings: failed.length });
  expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(['source_changed']));
  for (const { detail } of failed) expect(detail).toContain(jobs.tileUri('replaced', 1));
  const isOn = ({ group }: CutoutItemRow, tile: number): boolean => group === `replaced/t${tile}`;
  expect(items.filter((item) => isOn(item, 1)).map(({ state }) => state)).not.toContain('succeeded');
  expect(items.filter((item) => isOn(item, 0)).map(({ state }) => state)).not.toContain('failed');
  expect(await faultsOf(platform, id, { rows: onTwo, expected: digestsOf(items), contents: true })).toEqual(
    [],
  );
}, 600_000);

/** Submits a list, and waits until some of it is made and more is not. */
async function begun(): Promise<string> {
  const id = await jobs.submit('calm', some);
  await until(async () => (await madeOf(jobs.platform, id)) > 50, { what: 'the first cutouts' });
  return id;
}
const slowly = failpoints({ points: { 'item.before-publish': { delayMs: 150 } } });

test('a job that is cancelled and resumed makes only what is missing', async () => {
  const { platform } = jobs;
  const slow = await worker(slowly);
  const id = await begun();
  await jobs.ada.post(`/v1/jobs/${id}/cancel`);
  expect(await jobs.ended(id)).toMatchObject({ state: 'cancelled' });
  const before = await cutoutsOf(platform, id);
  const made = before.filter(({ state }) => state === 'succeeded');
  expect(made.length).toBeGreaterThan(50);
  expect(made.length).toBeLessThan(some.length);
  expect(new Set(before.map(({ state }) => state))).toEqual(new Set(['succeeded', 'pending']));
  // What is there is somebody's.
  const uris = made.flatMap(({ files }) => files ?? []).map(({ uri }) => uri.split('/').slice(3).join('/'));
  expect(await keysOf(platform, id)).toEqual(uris.sort());
  await slow.stop();

  await worker();
  await jobs.ada.post(`/v1/jobs/${id}/resume`);
  expect(await jobs.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
  resumed = id;
  const after = await cutoutsOf(platform, id);
  for (const [i, { state, claim }] of before.entries())
    expect(after[i]).toMatchObject(state === 'succeeded' ? { run: 1, claim } : { run: 2, attempt: 1 });
  expect(await faultsOf(platform, id, { rows: some, expected: expectedOf(some), contents: true })).toEqual(
    [],
  );
}, 600_000);

test('an archive that is cut off in its middle and gone on with is the same, and as long as was told before', async () => {
  const path = `/v1/jobs/${resumed}/results/archive`;
  const head = await jobs.ada.call(path, { method: 'HEAD' });
  const length = Number(head.headers.get('content-length'));
  const etag = head.headers.get('etag') ?? '';
  expect(length).toBeGreaterThan(some.length * 4 * pixels ** 2);
  const half = Math.floor(length / 2);

  const all = createHash('sha256');
  const bytes = await jobs.read(path, {}, (chunk) => void all.update(chunk));
  expect(bytes).toBe(length);

  const goneOn = createHash('sha256');
  let got = 0;
  const cut = new AbortController();
  await jobs
    .read(
      path,
      {},
      (chunk) => {
        goneOn.update(chunk.subarray(0, half - got));
        got = Math.min(half, got + chunk.length);
        if (got === half) cut.abort();
      },
      cut.signal,
    )
    .catch((error: unknown) => {
      if (!cut.signal.aborted) throw error;
    });
  expect(got).toBe(half);
  const range = { range: `bytes=${half}-`, 'if-range': etag };
  expect(await jobs.read(path, range, (chunk) => void goneOn.update(chunk))).toBe(length - half);
  expect(goneOn.digest('hex')).toBe(all.digest('hex'));
}, 600_000);

test('of a job that is deleted in its middle nothing is left', async () => {
  const { platform } = jobs;
  const slow = await worker(slowly);
  const id = await begun();
  await until(async () => (await jobs.ada.call(`/v1/jobs/${id}`, { method: 'DELETE' })).status === 204, {
    what: 'the job to be gone',
  });
  await slow.stop();
  const left = async () => ({
    tables: await tablesWith(platform, id),
    objects: await keysOf(platform, id),
    status: (await jobs.ada.call(`/v1/jobs/${id}`)).status,
  });
  await until(async () => JSON.stringify(await left()) === '{"tables":[],"objects":[],"status":404}', {
    what: async () => `nothing to be left: ${JSON.stringify(await left())}`,
  });
  expect(await openUploadsOf(platform)).toEqual([]);
}, 600_000);

test('a cutout that its worker dies of each time fails by name, and the others are made', async () => {
  const { platform } = jobs;
  const few = some.slice(0, 150);
  const env = { ITEM_ATTEMPTS: '2', ...failpoints({ points: { 'cutouts.cut': { killWhen: '117' } } }) };
  await kept(env);
  const id = await jobs.submit('calm', few);
  expect(await jobs.ended(id, 500)).toMatchObject({ state: 'succeeded_with_warnings', warnings: 1 });
  const items = await cutoutsOf(platform, id);
  const failed = items.filter(({ state }) => state !== 'succeeded');
  expect(failed).toMatchObject([{ key: '117', state: 'failed', code: 'poisonous_item' }]);
  const others = few.filter((_, i) => i !== 116);
  expect(await faultsOf(platform, id, { rows: few, expected: expectedOf(others), contents: true })).toEqual(
    [],
  );
}, 600_000);
