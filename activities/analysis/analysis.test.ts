import { allFiles, countItems, Fenced, markDeleted, requestDelete } from '@darkroom/records';
import {
  alice,
  attemptAt,
  claimItem,
  published,
  publishItem,
  startRecords,
  submitted,
  type TestRecords,
} from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  analysisRecords,
  createTask,
  getSegment,
  getTask,
  insertSegment,
  labelSummary,
  listSegments,
  pinModel,
  searchSegments,
} from './index.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

const box = { x: 1.5, y: 2, width: 30, height: 40 };
type Found = [label: string, score: number][];

/** A task of `found.length` photos, each published with what was found in it; the last photo is not. */
async function analysed(owner: string, found: Found[]): Promise<string> {
  const { db } = test.records;
  const id = await submitted(test.records, { caller: { ...alice, owner }, items: found.length + 1 });
  await createTask(db, { jobId: id, media: 'photo', segments: found.length + 1, scoreThreshold: 0.5 });
  const fence = await attemptAt(test.records, id);
  for (const [i, labels] of found.entries()) {
    await claimItem(db, fence, 'work', i + 1);
    const file = { path: `${i + 1}.json`, uri: `s3://b/${i + 1}`, bytes: 2, sha256: 'x', contentType: 'a/b' };
    await publishItem(
      db,
      fence,
      'work',
      i + 1,
      { ...published, files: [file, { ...file, path: 'b' }] },
      (tx) =>
        insertSegment(tx, {
          jobId: id,
          segmentId: i + 1,
          filename: `${i + 1}.jpg`,
          sourceUri: `s3://b/${i + 1}.jpg`,
          width: 100,
          height: 50,
          resultUri: `s3://b/${i + 1}.json`,
          detections: labels.map(([label, score]) => ({ label, score, box })),
        }),
    );
  }
  // The toy's items are worked on at another stage than a task's segments.
  await test.records.sql`update job_items set stage = 'recognise' where job_id = ${id}`;
  return id;
}

describe('segments', () => {
  it('are listed with what was found, unpublished ones too', async () => {
    const { db } = test.records;
    const id = await analysed('ann', [
      [
        ['cat', 0.75],
        ['cat', 0.5],
        ['dog', 0.25],
      ],
      [],
    ]);
    const [first, second, third] = await listSegments(db, id, { limit: 10 });
    expect(first?.segment).toMatchObject({ owner: 'ann', filename: '1.jpg', annotatedUri: null });
    expect(first?.detections).toEqual([
      { label: 'cat', score: 0.75, box },
      { label: 'cat', score: 0.5, box },
      { label: 'dog', score: 0.25, box },
    ]);
    expect(second).toMatchObject({ segmentId: 2, detections: [], item: { state: 'succeeded' } });
    expect(third).toMatchObject({ segmentId: 3, segment: null, item: { state: 'pending' } });
    expect((await listSegments(db, id, { limit: 1, after: 1 })).map(({ segmentId }) => segmentId)).toEqual([
      2,
    ]);
    expect(await getSegment(db, id, 1)).toEqual(first);
    expect(await getSegment(db, id, 9)).toBeUndefined();
    expect(await labelSummary(db, id)).toEqual([
      { label: 'cat', count: 2, bestScore: 0.75 },
      { label: 'dog', count: 1, bestScore: 0.25 },
    ]);
    expect(await countItems(db, id, 'recognise')).toEqual({
      total: 3,
      succeeded: 2,
      failed: 0,
      unfinished: 1,
    });
  });

  it('written again are replaced', async () => {
    const { db } = test.records;
    const id = await analysed('rep', [[['cat', 0.75]]]);
    await insertSegment(db, {
      jobId: id,
      segmentId: 1,
      filename: 'new.jpg',
      sourceUri: 's3://b/n',
      width: 1,
      height: 1,
      resultUri: 's3://b/r',
      detections: [],
    });
    expect(await getSegment(db, id, 1)).toMatchObject({ segment: { filename: 'new.jpg' }, detections: [] });
  });

  it('give their files in order, over pages', async () => {
    const { db, sql } = test.records;
    const id = await analysed('files', [[], []]);
    const list = async () => {
      const files: [string | null, string][] = [];
      for await (const { item, path } of allFiles(db, id)) files.push([item, path]);
      return files;
    };
    expect(await list()).toEqual([
      ['k1', '1.json'],
      ['k1', 'b'],
      ['k2', '2.json'],
      ['k2', 'b'],
    ]);
    await sql`insert into job_items (job_id, stage, ordinal, key, input, state, files)
      select ${id}, 'work', n, 'x' || n, '{}', 'succeeded', '[{"path":"p"}]' from generate_series(10, 1209) as n`;
    const items = (await list()).map(([item]) => item);
    expect(items).toHaveLength(1204);
    expect(items.at(-1)).toBe('x1209');
  });
});

describe('search', () => {
  it('finds segments over all of an owner’s tasks, newest task first, with the best score', async () => {
    const { db } = test.records;
    const old = await analysed('sue', [[['cat', 0.5]], [['dog', 0.75]]]);
    const recent = await analysed('sue', [
      [
        ['cat', 0.25],
        ['cat', 0.75],
      ],
      [],
    ]);
    await analysed('eve', [[['cat', 0.75]]]);
    const find = async (search: Partial<Parameters<typeof searchSegments>[1]>) =>
      (await searchSegments(db, { owner: 'sue', limit: 10, ...search })).map((row) => [
        row.jobId === recent ? 'recent' : row.jobId === old ? 'old' : 'other',
        row.segmentId,
        row.bestScore,
      ]);
    const all = [
      ['recent', 2, null],
      ['recent', 1, 0.75],
      ['old', 2, 0.75],
      ['old', 1, 0.5],
    ];
    expect(await find({})).toEqual(all);
    expect(await find({ limit: 2 })).toEqual(all.slice(0, 2));
    expect(await find({ before: { jobId: recent, segmentId: 1 } })).toEqual(all.slice(2));
    expect(await find({ minScore: 0.6 })).toEqual(all.slice(1, 3));
    expect(await find({ label: 'cat' })).toEqual([all[1], all[3]]);
    expect(await find({ label: 'cat', limit: 1 })).toEqual([all[1]]);
    expect(await find({ label: 'cat', before: { jobId: recent, segmentId: 1 } })).toEqual([all[3]]);
    expect(await find({ label: 'cat', minScore: 0.6 })).toEqual([all[1]]);
    expect(await find({ to: new Date(Date.now() - 3_600_000) })).toEqual([]);
    expect(await find({ from: new Date(Date.now() - 3_600_000), label: 'dog' })).toEqual([all[2]]);
    expect(await find({ owner: undefined, label: 'cat' })).toContainEqual(['other', 1, 0.75]);
    await requestDelete(db, recent);
    expect(await find({})).toEqual(all.slice(2));
    expect(await find({ label: 'cat' })).toEqual([all[3]]);
  });
});

describe('what becomes of an analysis', () => {
  const thresholdAndSegments = async (id: string) => {
    const task = await getTask(test.records.db, id);
    return task && [task.media, task.scoreThreshold, task.segments];
  };

  it('run again, its task is that of the new job, with the new options', async () => {
    const { db } = test.records;
    const [first, second, third] = [
      await analysed('eve', [[]]),
      await submitted(test.records),
      await submitted(test.records),
    ];
    await analysisRecords.copy?.(db, { from: first, to: second, input: { scoreThreshold: 0.75 } });
    await analysisRecords.copy?.(db, { from: first, to: third, input: {} });
    expect(await thresholdAndSegments(second)).toEqual(['photo', 0.75, 2]);
    expect(await thresholdAndSegments(third)).toEqual(['photo', 0.5, 2]);
  });

  it('found anew, its segments go and are counted again, those of a video that is run again too', async () => {
    const { db } = test.records;
    const id = await analysed('eve', [[['cat', 0.5]]]);
    await test.records.sql`update tasks set media = 'video' where job_id = ${id}`;
    await analysisRecords.forget?.(db, { jobId: id, itemStage: 'recognise' });
    expect(await getSegment(db, id, 1)).toMatchObject({ segment: null, detections: [] });
    await analysisRecords.found?.(db, { jobId: id, itemStage: 'recognise', count: 7 });
    expect(await thresholdAndSegments(id)).toEqual(['video', 0.5, 7]);
    const again = await submitted(test.records);
    await analysisRecords.copy?.(db, { from: id, to: again, input: {} });
    expect(await thresholdAndSegments(again)).toEqual(['video', 0.5, 0]);
  });

  it('deleted, none of its rows is left', async () => {
    const { db, sql } = test.records;
    const id = await analysed('eve', [[['cat', 0.5]]]);
    await requestDelete(db, id);
    await markDeleted(db, id, analysisRecords);
    const [left] = await sql`
      select (select count(*) from tasks where job_id = ${id}) + (select count(*) from task_segments where job_id = ${id})
           + (select count(*) from recognition_results where job_id = ${id}) as rows`;
    expect(Number(left?.rows)).toBe(0);
  });
});

describe('the model of a job', () => {
  it('is that of the first attempt, of many at once', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await createTask(db, { jobId: id, media: 'photo', segments: 3, scoreThreshold: 0.5 });
    const fences = await Promise.all(
      Array.from({ length: 8 }, (_, i) => attemptAt(test.records, id, { activity: `a${i}` })),
    );
    const pinned = await Promise.all(
      fences.map((fence, i) => pinModel(db, fence, { name: `m${i}`, version: '1', digest: 'd' })),
    );
    expect(new Set(pinned.map(({ name }) => name)).size).toBe(1);
    expect((await getTask(db, id))?.modelName).toBe(pinned[0]?.name);
    await requestDelete(db, id);
    const late = pinModel(db, fences[0]!, { name: 'x', version: '1', digest: 'd' });
    await expect(late).rejects.toBeInstanceOf(Fenced);
  });
});
