import { problemOf, type Size } from '@darkroom/contract';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  allNeeded,
  countItems,
  Fenced,
  type FoundItem,
  forgetFound,
  getCheckpoint,
  getJob,
  listItems,
  openCheckpoint,
  recordProgress,
  requestResume,
  saveCheckpoint,
  submittedItems,
} from '../index.ts';
import { jobs } from '../schema.ts';
import {
  attemptAt,
  claimItem,
  findingsOf,
  insertFinding,
  published,
  publishItem,
  startRecords,
  submitted,
  type TestRecords,
  toyKind,
} from '../testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const of = (digest: string) => ({ stage: 'read', itemStage: 'work', digest });
const found = (...ordinals: number[]): FoundItem[] =>
  ordinals.map((ordinal) => ({
    ordinal,
    key: `k${ordinal}`,
    input: { n: ordinal },
    needs: [`s3://b/${ordinal}`],
  }));
const save = (cursor: object, items: FoundItem[], done = false) => ({
  stage: 'read',
  itemStage: 'work',
  cursor,
  items,
  done,
});
const totals = async (id: string) =>
  (await getJob(test.records.db, id))!.stages.map(({ name, total }) => [name, total]);

/** A job whose first stage is about to find its items. */
async function begun() {
  const { db } = test.records;
  const id = await submitted(test.records, { items: 0 });
  const fence = await attemptAt(test.records, id);
  await openCheckpoint(db, fence, of('a'), toyKind);
  return { db, id, fence };
}

describe('a stage that finds items', () => {
  it('counts those that it fails itself', async () => {
    const { db, id, fence } = await begun();
    const [first, second, third] = found(1, 2, 3);
    const bad = { ...second!, problem: problemOf('empty_file', 'nothing in it') };
    await saveCheckpoint(db, fence, save({ at: 10 }, [first!, bad]), toyKind);
    await saveCheckpoint(db, fence, save({ at: 20 }, [bad, third!], true), toyKind);
    const { stages } = (await getJob(db, id))!;
    expect(stages.map(({ name, done, failed, total }) => [name, done, failed, total])).toEqual([
      ['read', 1, 1, 3],
      ['work', 1, 1, 3],
      ['pack', 0, 0, null],
    ]);
  });

  it('goes on from its checkpoint, in a later attempt and in a later run', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 0 });
    const first = await attemptAt(test.records, id);
    expect(await openCheckpoint(db, first, of('a'), toyKind)).toMatchObject({
      cursor: null,
      found: 0,
      done: false,
    });
    await saveCheckpoint(db, first, save({ at: 10 }, found(1, 2)), toyKind);
    await saveCheckpoint(db, first, save({ at: 40 }, []), toyKind);

    const second = await attemptAt(test.records, id, { attempt: 2 });
    expect(await openCheckpoint(db, second, of('a'), toyKind)).toMatchObject({
      cursor: { at: 40 },
      found: 2,
    });
    await expect(saveCheckpoint(db, first, save({ at: 50 }, found(3)), toyKind)).rejects.toThrow(Fenced);
    // Cut off after the objects, it is written again; it adds to the size of the job once.
    expect(await saveCheckpoint(db, second, save({ at: 60 }, found(2, 3)), toyKind)).toEqual({ items: 3 });
    expect((await getJob(db, id))?.stages.map(({ size }) => size)).toEqual([null, { items: 3 }, null]);
    expect((await listItems(db, id, { limit: 9 })).map(({ ordinal }) => ordinal)).toEqual([1, 2, 3]);
    expect(await totals(id)).toEqual([
      ['read', null],
      ['work', null],
      ['pack', null],
    ]);

    await saveCheckpoint(db, second, save({ at: 90 }, [], true), toyKind);
    expect(await getCheckpoint(db, id, 'read')).toMatchObject({ found: 3, done: true });
    expect(await totals(id)).toEqual([
      ['read', 3],
      ['work', 3],
      ['pack', null],
    ]);
  });

  it('is counted while its total is not known', async () => {
    const { db, fence } = await begun();
    await saveCheckpoint(db, fence, save({}, found(1, 2)), toyKind);
    await claimItem(db, fence, 'work', 1);
    await publishItem(db, fence, 'work', 1, published);
    const stages = await recordProgress(db, fence, { itemStage: 'work', reached: [] });
    expect(stages[1]).toMatchObject({ name: 'work', state: 'running', done: 1, total: null });
  });

  it('begins anew when what its findings are a function of has changed', async () => {
    const { db, id, fence } = await begun();
    await saveCheckpoint(db, fence, save({ at: 10 }, found(1, 2), true), toyKind);
    await insertFinding(db, id);
    // The kind was told that all are found, and how many.
    expect(await findingsOf(db, id)).toEqual([
      { ordinal: 0, size: 2 },
      { ordinal: 1, size: 1 },
    ]);
    expect(await openCheckpoint(db, fence, of('b'), toyKind)).toMatchObject({
      cursor: null,
      found: 0,
      done: false,
    });
    expect(await listItems(db, id, { limit: 9 })).toEqual([]);
    expect(await findingsOf(db, id)).toEqual([]);
    expect((await getJob(db, id))?.stages[1]?.size).toBeNull();
    expect((await totals(id))[1]).toEqual(['work', null]);
  });

  it('begins anew where what its items are made of is gone, and one whose items are made of nothing else does not', async () => {
    const { db, sql } = test.records;
    const id = await submitted(test.records, { items: 0 });
    const fence = await attemptAt(test.records, id);
    const plan = { stage: 'pack', itemStage: 'pack', digest: 'list' };
    const rows = found(1).map(({ needs, ...row }) => row);
    await openCheckpoint(db, fence, plan, toyKind);
    await saveCheckpoint(db, fence, { ...plan, cursor: {}, items: rows, done: true }, toyKind);
    for (const before of [false, true]) {
      await openCheckpoint(db, fence, of('a'), toyKind);
      await saveCheckpoint(db, fence, save({}, found(1, 2), true), toyKind);
      // As a worker of before left it.
      if (before)
        await sql`update job_checkpoints set item_stage = null where job_id = ${id} and stage = 'read'`;
      await forgetFound(db, fence, toyKind);
      expect(await getCheckpoint(db, id, 'read')).toBeUndefined();
      expect(await getCheckpoint(db, id, 'pack')).toMatchObject({ digest: 'list', found: 1, done: true });
      expect(await countItems(db, id, 'work')).toMatchObject({ total: 0 });
      expect(await countItems(db, id, 'pack')).toMatchObject({ total: 1 });
    }
  });

  it('has the job estimated by its size once that is known, and an estimate that it has stays', async () => {
    const { db, id, fence } = await begun();
    const estimateOf = ({ items = 0 }: Size) => ({
      seconds: { p50: items, p90: 2 * items },
      runs: 0,
      error: null,
    });
    const estimate = async () => (await getJob(db, id))?.job.estimate;
    await saveCheckpoint(db, fence, save({ at: 10 }, found(1, 2)), toyKind, estimateOf);
    expect(await estimate()).toBeNull();
    await saveCheckpoint(db, fence, save({ at: 20 }, [], true), toyKind, estimateOf);
    expect(await estimate()).toMatchObject({ seconds: { p50: 2, p90: 4 } });
    await saveCheckpoint(db, fence, save({ at: 30 }, found(3), true), toyKind, estimateOf);
    expect(await estimate()).toMatchObject({ seconds: { p50: 2, p90: 4 } });
  });

  it('has it estimated anew where its size was expected before', async () => {
    const { db, id, fence } = await begun();
    const expected = { seconds: { p50: 9, p90: 9 }, runs: 0, error: null, expected: { items: 9 } };
    await db.update(jobs).set({ estimate: expected }).where(eq(jobs.id, id));
    const estimateOf = ({ items = 0 }: Size) => ({
      seconds: { p50: items, p90: items },
      runs: 0,
      error: null,
    });
    const estimate = async () => (await getJob(db, id))?.job.estimate;
    await saveCheckpoint(db, fence, save({ at: 10 }, found(1, 2)), toyKind, estimateOf);
    expect(await estimate()).toEqual(expected);
    await saveCheckpoint(db, fence, save({ at: 20 }, [], true), toyKind, estimateOf);
    expect(await estimate()).toEqual({ seconds: { p50: 2, p90: 2 }, runs: 0, error: null });
  });

  it('keeps what its items are made of until they have succeeded', async () => {
    const { db, id, fence } = await begun();
    await saveCheckpoint(db, fence, save({}, found(1, 2)), toyKind);
    await claimItem(db, fence, 'work', 1);
    await publishItem(db, fence, 'work', 1, published);
    const needed: string[] = [];
    for await (const uri of allNeeded(db, id)) needed.push(uri);
    expect(needed).toEqual(['s3://b/2']);
  });

  it('is left out of what a rerun takes over', async () => {
    const { db, id, fence } = await begun();
    await saveCheckpoint(db, fence, save({}, found(1, 2)), toyKind);
    expect((await submittedItems(db, id)).stage).toBe('work');
    expect(await requestResume(db, id, {})).toBeUndefined();
  });
});
