import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  claimItem,
  copyItems,
  Fenced,
  type FoundItem,
  getCheckpoint,
  getJob,
  listItems,
  neededObjects,
  openCheckpoint,
  publishItem,
  recordProgress,
  requestResume,
  saveCheckpoint,
} from './index.ts';
import { attemptAt, published, startRecords, submitted, type TestRecords } from './testing.ts';

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

describe('a stage that finds items', () => {
  it('goes on from its checkpoint, in a later attempt and in a later run', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 0 });
    const first = await attemptAt(test.records, id);
    expect(await openCheckpoint(db, first, of('a'))).toMatchObject({ cursor: null, found: 0, done: false });
    await saveCheckpoint(db, first, save({ at: 10 }, found(1, 2)));
    await saveCheckpoint(db, first, save({ at: 40 }, []));

    const second = await attemptAt(test.records, id, { attempt: 2 });
    expect(await openCheckpoint(db, second, of('a'))).toMatchObject({ cursor: { at: 40 }, found: 2 });
    await expect(saveCheckpoint(db, first, save({ at: 50 }, found(3)))).rejects.toThrow(Fenced);
    // Cut off after the objects, it is written again.
    await saveCheckpoint(db, second, save({ at: 60 }, found(2, 3)));
    expect((await listItems(db, id, { limit: 9 })).map(({ ordinal }) => ordinal)).toEqual([1, 2, 3]);
    expect(await totals(id)).toEqual([
      ['read', null],
      ['work', null],
      ['pack', null],
    ]);

    await saveCheckpoint(db, second, save({ at: 90 }, [], true));
    expect(await getCheckpoint(db, id, 'read')).toMatchObject({ found: 3, done: true });
    expect(await totals(id)).toEqual([
      ['read', 3],
      ['work', 3],
      ['pack', null],
    ]);
  });

  it('is counted while its total is not known', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 0 });
    const fence = await attemptAt(test.records, id);
    await openCheckpoint(db, fence, of('a'));
    await saveCheckpoint(db, fence, save({}, found(1, 2)));
    await claimItem(db, fence, 'work', 1);
    await publishItem(db, fence, 'work', 1, published);
    const stages = await recordProgress(db, fence, { itemStage: 'work', reached: [] });
    expect(stages[1]).toMatchObject({ name: 'work', state: 'running', done: 1, total: null });
  });

  it('begins anew when what its findings are a function of has changed', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 0 });
    const fence = await attemptAt(test.records, id);
    await openCheckpoint(db, fence, of('a'));
    await saveCheckpoint(db, fence, save({ at: 10 }, found(1, 2), true));
    expect(await openCheckpoint(db, fence, of('b'))).toMatchObject({ cursor: null, found: 0, done: false });
    expect(await listItems(db, id, { limit: 9 })).toEqual([]);
    expect((await totals(id))[1]).toEqual(['work', null]);
  });

  it('keeps what its items are made of until they have succeeded', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 0 });
    const fence = await attemptAt(test.records, id);
    await openCheckpoint(db, fence, of('a'));
    await saveCheckpoint(db, fence, save({}, found(1, 2)));
    await claimItem(db, fence, 'work', 1);
    await publishItem(db, fence, 'work', 1, published);
    expect(await neededObjects(db, id)).toEqual(['s3://b/2']);
  });

  it('is left out of what a rerun takes over', async () => {
    const { db } = test.records;
    const id = await submitted(test.records, { items: 0 });
    const fence = await attemptAt(test.records, id);
    await openCheckpoint(db, fence, of('a'));
    await saveCheckpoint(db, fence, save({}, found(1, 2)));
    expect((await copyItems(db, id)).stage).toBe('work');
    expect(await requestResume(db, id, {})).toBeUndefined();
  });
});
