import { type CutoutFacts, ProblemError, problemOf } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { RealtimeCall } from './call.ts';
import { CutoutMaker, type MakerDeps, type WantedCutout } from './maker.ts';
import {
  claimFile,
  cutoutKey,
  doomFiles,
  fileOf,
  finishFile,
  forgetFiles,
  loseFile,
  makesFile,
} from './records/files.ts';

const facts: CutoutFacts = {
  coverage: 1,
  mode: 'primary',
  tiles: ['t'],
  verified: true,
  width: 2,
  height: 2,
  warnings: [],
  levels: null,
};
const made = { bytes: 7, facts, timings: { read: 1 }, keptSeconds: 60 };

let test: TestRecords;
let maker: CutoutMaker;
let started: RealtimeCall[];
/** What becomes of a cutout that was handed over. */
let work: (call: RealtimeCall) => Promise<void>;
let isOpen: MakerDeps['isOpen'];
let units = 0;

beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());
const another = (changes: Partial<MakerDeps> = {}): CutoutMaker =>
  new CutoutMaker({
    records: test.records,
    start: async (call) => {
      started.push(call);
      void work(call).catch(() => {});
    },
    isOpen: (unit) => isOpen(unit),
    newUnit: () => `unit-${++units}`,
    most: 4,
    askMs: 50,
    ...changes,
  });
beforeEach(async () => {
  await test.records.sql`truncate cutout_files`;
  started = [];
  work = (call) => finishFile(test.records.db, call, made);
  isOpen = async () => true;
  maker = another();
});
afterEach(() => maker.close());

const call = { request: {}, survey: {}, sources: [] } as unknown as WantedCutout['call'];
const wanted = (digest: string, changes: Partial<WantedCutout> = {}): WantedCutout => ({
  digest,
  owner: 'ada',
  call,
  deadlineMs: 30_000,
  signal: new AbortController().signal,
  ...changes,
});

it('makes what is asked for, once for all who ask meanwhile and later, in this process and in others', async () => {
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  work = async (unit) => {
    begun.resolve();
    await gate.promise;
    await finishFile(test.records.db, unit, made);
  };
  const first = maker.make(wanted('a'));
  await begun.promise;
  const elsewhere = another();
  const others = [maker.make(wanted('a')), elsewhere.make(wanted('a'))];
  gate.resolve();
  expect(await first).toMatchObject({
    shared: false,
    file: { state: 'succeeded', bytes: 7, facts, unit: started[0]!.unit },
  });
  for (const other of await Promise.all(others))
    expect(other).toMatchObject({ shared: true, file: { bytes: 7 } });
  expect(await maker.make(wanted('a'))).toMatchObject({ shared: true });
  expect(started).toHaveLength(1);
  expect(maker.underWay).toBe(0);
  await elsewhere.close();
});

it('tells of a failure, and makes it anew for whoever asks again', async () => {
  const problem = problemOf('corrupt_tile', 'tile 7');
  work = (unit) => finishFile(test.records.db, unit, { problem, timings: {} });
  expect((await maker.make(wanted('a'))).file.problem).toEqual(problem);
  work = (unit) => finishFile(test.records.db, unit, made);
  expect((await maker.make(wanted('a'))).file).toMatchObject({ state: 'succeeded', problem: null });
  expect(started).toHaveLength(2);
});

it('goes on with what a process has left behind that died between its row and the start', async () => {
  const { file } = await claimFile(test.records.db, { digest: 'a', unit: 'lost' });
  isOpen = async (unit) => unit !== 'lost';
  const { file: done } = await maker.make(wanted('a'));
  expect(done.state).toBe('succeeded');
  expect(done.unit).not.toBe(file.unit);
  // What the other one comes to late changes nothing.
  await finishFile(test.records.db, file, { ...made, bytes: 666 });
  expect((await fileOf(test.records.db, 'a'))?.bytes).toBe(7);
  expect(await makesFile(test.records.db, 'a', 'lost')).toBe(false);
});

it('tells a failure where the work is given up twice, and leaves nothing behind that is being made', async () => {
  work = async () => {};
  isOpen = async () => false;
  await expect(maker.make(wanted('a'))).rejects.toMatchObject({ code: 'internal' });
  expect(started).toHaveLength(2);
  expect(await fileOf(test.records.db, 'a')).toMatchObject({ state: 'failed', problem: { retryable: true } });
  work = (unit) => finishFile(test.records.db, unit, made);
  expect((await maker.make(wanted('a'))).file.state).toBe('succeeded');
});

it('waits for nothing that was forgotten meanwhile: whoever asks again has it made', async () => {
  const begun = Promise.withResolvers<void>();
  work = async () => begun.resolve();
  const stale = maker.make(wanted('a'));
  stale.catch(() => {});
  await begun.promise;
  // As after hours in which no worker was there.
  await forgetFiles(test.records.db, await doomFiles(test.records.db, -3 * 3600));
  await expect(stale).rejects.toMatchObject({ code: 'internal' });
  expect(maker.underWay).toBe(0);
  work = (unit) => finishFile(test.records.db, unit, made);
  expect((await maker.make(wanted('a'))).file.state).toBe('succeeded');
});

it('tells whoever has to wait, and nobody whose file is there', async () => {
  const waits = vi.fn();
  await maker.make(wanted('a', { waits }));
  expect(waits).toHaveBeenCalledTimes(1);
  await maker.make(wanted('a', { waits }));
  expect(waits).toHaveBeenCalledTimes(1);
});

it('a file is kept from when it was made, however long that took', async () => {
  work = async (unit) => {
    await test.records.sql`update cutout_files set expires_at = now() - interval '1 minute'`;
    await finishFile(test.records.db, unit, made);
  };
  const { file } = await maker.make(wanted('a'));
  expect(file.expiresAt.getTime()).toBeGreaterThan(Date.now() + 50_000);
  expect((await maker.make(wanted('a'))).shared).toBe(true);
});

it('finds the file also where the word of it was lost', async () => {
  const quiet = another({
    records: { db: test.records.db, listen: async () => ({ unlisten: async () => {} }) },
  });
  expect((await quiet.make(wanted('a'))).file.state).toBe('succeeded');
  await quiet.close();
});

it('waits no longer than the deadline, or than whoever asks; the work goes on', async () => {
  const gate = Promise.withResolvers<void>();
  work = async (unit) => {
    await gate.promise;
    await finishFile(test.records.db, unit, made);
  };
  await expect(maker.make(wanted('a', { deadlineMs: 20 }))).rejects.toMatchObject({
    code: 'deadline_exceeded',
  });
  const leaving = new AbortController();
  const left = maker.make(wanted('a', { signal: leaving.signal }));
  leaving.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  expect(maker.underWay).toBe(1);
  gate.resolve();
  expect(await maker.make(wanted('a'))).toMatchObject({ file: { state: 'succeeded' } });
  expect(started).toHaveLength(1);
});

it('refuses one too many, and not what is under way already', async () => {
  const gate = Promise.withResolvers<void>();
  work = async (unit) => {
    await gate.promise;
    await finishFile(test.records.db, unit, made);
  };
  const few = another({ most: 1 });
  const first = few.make(wanted('a'));
  await expect(few.make(wanted('b'))).rejects.toMatchObject({ code: 'overloaded', retryAfterSeconds: 1 });
  const same = few.make(wanted('a'));
  gate.resolve();
  await Promise.all([first, same]);
  await few.close();
});

it('a start that fails is told, and keeps nobody from the next try', async () => {
  const away = another({
    start: async () => {
      throw new ProblemError('engine_unavailable', 'away');
    },
  });
  await expect(away.make(wanted('a'))).rejects.toMatchObject({ code: 'engine_unavailable' });
  expect((await maker.make(wanted('a'))).file.state).toBe('succeeded');
  await away.close();
});

it('a file is kept for its time, doomed before its object goes, and made anew after that', async () => {
  const { file } = await maker.make(wanted('a'));
  expect(await doomFiles(test.records.db, 0)).toEqual([]);
  const doomed = await doomFiles(test.records.db, -61);
  expect(doomed.map(({ unit }) => cutoutKey(unit))).toEqual([`cutout-files/${file.unit}`]);
  const again = await maker.make(wanted('a'));
  expect(again.file.unit).not.toBe(file.unit);
  // Whoever removes the old one takes nothing of the new one with it.
  await forgetFiles(test.records.db, doomed);
  expect((await fileOf(test.records.db, 'a'))?.unit).toBe(again.file.unit);
});

it('a file whose object is gone is made anew', async () => {
  const { file } = await maker.make(wanted('a'));
  await loseFile(test.records.db, file);
  expect((await maker.make(wanted('a'))).shared).toBe(false);
});
