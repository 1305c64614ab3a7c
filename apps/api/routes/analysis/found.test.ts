import { insertSegment } from '@darkroom/analysis';
import { analysis, job, segment } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

const photo = new Blob([new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3])]);

let api: TestApi;
let ann: string;
let task: string;
let other: string;

const box = (x: number) => ({ x, y: 2, width: 30, height: 40 });

beforeAll(async () => {
  api = await startTestApi({}, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
  task = await submit(ann, ['=cat.jpg', 'two, "dogs".jpg', 'broken.jpg']);
  other = await submit(ann, ['late.jpg']);
  const theirs = await submit((await api.key({ owner: 'bo' })).key, ['theirs.jpg']);
  await publish(task, 1, '=cat.jpg', [
    { label: 'cat', score: 0.75, box: box(1) },
    { label: 'cat', score: 0.5, box: box(5) },
    { label: 'zebra crossing', score: 0.5, box: box(9) },
  ]);
  await publish(task, 2, 'two, "dogs".jpg', [{ label: 'dog', classId: 18, score: 0.875, box: box(3) }]);
  await publish(other, 1, 'late.jpg', [{ label: 'cat', score: 0.25, box: box(1) }]);
  await publish(theirs, 1, 'theirs.jpg', [{ label: 'cat', score: 1, box: box(1) }]);
}, 60_000);
afterAll(() => api?.close());

async function submit(key: string, filenames: string[]): Promise<string> {
  const form = new FormData();
  for (const filename of filenames) form.append('files', photo, filename);
  const reply = await fetch(`${api.url}/analysis`, {
    method: 'POST',
    body: form,
    headers: { authorization: key },
  });
  expect(reply.status).toBe(202);
  return ((await reply.json()) as { task_id: string }).task_id;
}

/** What a worker writes when a photo is done. */
async function publish(
  jobId: string,
  segmentId: number,
  filename: string,
  detections: { label: string; classId?: number; score: number; box: ReturnType<typeof box> }[],
): Promise<void> {
  const home = `s3://${api.storage.bucket}/recognition-results/${jobId}/${segmentId}_result`;
  await api.storage.putBytes(`${home}.json`, Buffer.from('{}'), { contentType: 'application/json' });
  await insertSegment(api.records.db, {
    jobId,
    segmentId,
    filename,
    sourceUri: `s3://${api.storage.bucket}/input-files/${jobId}/${segmentId}/${filename}`,
    width: 640,
    height: 480,
    annotatedUri: `${home}.jpg`,
    resultUri: `${home}.json`,
    detections,
  });
  await api.records
    .sql`update job_items set state = 'succeeded' where job_id = ${jobId} and ordinal = ${segmentId}`;
}

const get = async (path: string) => {
  const reply = await api.get(path, ann);
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
};
const getJson = async (path: string) => JSON.parse((await get(path)).text);

test('a task tells as a job what it is estimated at', async () => {
  const { size, estimate } = job.parse(await getJson(`/v1/jobs/${task}`));
  expect(size).toMatchObject({ photos: 3 });
  expect(estimate).toMatchObject({ runs: 0, error: null });
  expect(estimate!.seconds.p50).toBeCloseTo(0.95, 2);
  expect(estimate!.seconds.p90).toBeGreaterThan(estimate!.seconds.p50);
});

describe('what was found', () => {
  it('is summed up in the task', async () => {
    const document = analysis.parse(await getJson(`/analysis/${task}`));
    expect(document.segments).toEqual({ total: 3, succeeded: 2, failed: 0 });
    expect(document.labels[0]).toEqual({ label: 'cat', count: 2, bestScore: 0.75 });
    expect(document.labels).toHaveLength(3);
  });

  it('is in each segment, with links that a browser can follow', async () => {
    const { segments } = await getJson(`/analysis/${task}/segments`);
    const [first, second, third] = segments.map((each: unknown) => segment.parse(each));
    expect(second.detections).toEqual([{ label: 'dog', classId: 18, score: 0.875, box: box(3) }]);
    expect(first).toMatchObject({ segment_id: 1, state: 'succeeded', width: 640, height: 480 });
    expect(first.detections[0]).toEqual({ label: 'cat', score: 0.75, box: box(1) });
    expect(third).toMatchObject({ segment_id: 3, state: 'pending', width: null, detections: [] });
    expect(Object.keys(third.links)).toEqual(['source']);
    const result = await fetch(first.links.result);
    expect(result.status).toBe(200);
    expect(result.headers.get('content-disposition')).toContain('1_result.json');
    const one = segment.parse(await getJson(`/v1/analysis/${task}/segments/1`));
    expect(one.detections).toEqual(first.detections);
  });

  it('filters segments by state', async () => {
    const { segments } = await getJson(`/analysis/${task}/segments?state=pending`);
    expect(segments.map((each: { segment_id: number }) => each.segment_id)).toEqual([3]);
  });

  it('is exported as COCO JSON', async () => {
    const reply = await get(`/analysis/${task}/export`);
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(reply.headers.get('content-disposition')).toContain(`${task}_coco.json`);
    const coco = JSON.parse(reply.text);
    expect(coco.images).toHaveLength(2);
    expect(coco.annotations).toHaveLength(4);
    expect(coco.annotations[0]).toMatchObject({ image_id: 1, category_id: 17, bbox: [1, 2, 30, 40] });
    expect(coco.categories).toContainEqual({ id: 17, name: 'cat' });
  });

  it('is exported as CSV that starts no formula in a spreadsheet', async () => {
    const reply = await get(`/analysis/${task}/export?format=csv`);
    expect(reply.headers.get('content-type')).toContain('text/csv');
    const lines = reply.text.split('\r\n');
    expect(lines[1]).toBe("1,'=cat.jpg,640,480,cat,0.75,1,2,30,40,");
    expect(lines[4]).toBe('2,"two, ""dogs"".jpg",640,480,dog,0.875,3,2,30,40,18');
    expect((await get(`/analysis/${task}/export?format=xml`)).status).toBe(422);
  });
});

describe('GET /v1/segments', () => {
  const search = async (query: string) => {
    const { segments } = await getJson(`/v1/segments?${query}`);
    return segments.map((each: { filename: string; bestScore: number }) => [each.filename, each.bestScore]);
  };

  it('finds a label in all own tasks, the newest first', async () => {
    expect(await search('label=cat')).toEqual([
      ['late.jpg', 0.25],
      ['=cat.jpg', 0.75],
    ]);
    expect(await search('label=cat&minScore=0.5')).toEqual([['=cat.jpg', 0.75]]);
    expect(await search('label=zebra%20crossing')).toEqual([['=cat.jpg', 0.5]]);
    expect(await search('label=unicorn')).toEqual([]);
    expect(await search('minScore=0.8')).toEqual([['two, "dogs".jpg', 0.875]]);
    for (const query of ['label=dog', 'minScore=0.8'])
      expect((await getJson(`/v1/segments?${query}`)).segments).toMatchObject([{ classId: 18 }]);
    expect((await getJson('/v1/segments?label=cat')).segments[0].classId).toBeNull();
    expect(await search('label=cat&from=2000-01-01T00:00:00Z')).toHaveLength(2);
    expect(await search('label=cat&to=2000-01-01T00:00:00%2B01:00')).toEqual([]);
  });

  it('gives pages', async () => {
    const seen: string[] = [];
    let token: string | null = '';
    while (token !== null) {
      const page: { segments: { filename: string }[]; nextPageToken: string | null } = await getJson(
        `/v1/segments?pageSize=1&pageToken=${token}`,
      );
      seen.push(...page.segments.map(({ filename }) => filename));
      token = page.nextPageToken;
    }
    expect(seen).toEqual(['late.jpg', 'two, "dogs".jpg', '=cat.jpg']);
  });

  it.each([
    ['minScore=2', 422],
    ['minScore=x', 422],
    ['from=yesterday', 422],
    ['label=%00', 422],
    ['colour=red', 422],
    ['pageSize=0', 422],
    ['pageToken=forged', 400],
  ])('refuses %s', async (query, status) => {
    expect((await get(`/v1/segments?${query}`)).status).toBe(status);
  });
});
