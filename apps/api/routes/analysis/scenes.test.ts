import { insertSegment } from '@darkroom/analysis';
import { analysis, type Scene, segment, type VideoInfo } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../testing.ts';

const mp4 = new Blob([Buffer.from('\0\0\0\x10ftypisom\0\0\x02\0', 'latin1')]);
const info: VideoInfo = {
  container: 'mp4',
  codec: 'h264',
  pixelFormat: 'yuv420p',
  width: 1920,
  height: 1080,
  rotation: 0,
  seconds: 9,
  framesPerSecond: 25,
  interlaced: false,
  hdr: false,
  videoStreams: 1,
};
const cat = { label: 'cat', score: 0.75, box: { x: 1, y: 2, width: 30, height: 40 } };
const overTime = [{ label: 'cat', count: 1, bestScore: 0.75, firstSeen: 2, lastSeen: 2, share: 0.5 }];

let api: TestApi;
let ann: string;
let task: string;

beforeAll(async () => {
  api = await startTestApi({}, engineAway);
  ann = (await api.key({ owner: 'ann' })).key;
  task = await submit();
}, 60_000);
afterAll(() => api?.close());

async function submit(): Promise<string> {
  const form = new FormData();
  form.append('file', mp4, 'film.mp4');
  const reply = await fetch(`${api.url}/analysis`, {
    method: 'POST',
    body: form,
    headers: { authorization: ann },
  });
  expect(reply.status).toBe(202);
  return ((await reply.json()) as { task_id: string }).task_id;
}

const sceneAt = (start: number, end: number): Scene => ({
  start,
  end,
  begins: start === 0 ? 'start' : 'cut',
  score: start === 0 ? null : 2.5,
  transition: null,
  frame: { at: (start + end) / 2, pts: 25 * (start + end), offset: 0 },
});
const scenes = [sceneAt(0, 4), sceneAt(4, 8), sceneAt(8, 9)];
const uri = (key: string) => `s3://${api.storage.bucket}/${key}`;
const put = (key: string, text: string) =>
  api.storage.putBytes(key, Buffer.from(text), { contentType: 'application/octet-stream' });

/** What a worker writes when scenes have been found. */
async function split(): Promise<void> {
  for (const [index, scene] of scenes.entries()) {
    const imageUri = uri(`scene-images/${task}/image_${index + 1}.jpg`);
    await put(imageUri, `frame ${index + 1}`);
    const input = { filename: 'film.mp4', scene, imageUri, width: 1920, height: 1080 };
    await api.records.sql`insert into job_items (job_id, stage, ordinal, key, input)
      values (${task}, 'recognise', ${index + 1}, ${String(index + 1)}, ${JSON.stringify(input)}::jsonb)`;
  }
  await api.records.sql`update jobs set state = 'running', pinned = ${JSON.stringify({ video: info })}::jsonb
    where id = ${task}`;
}

/** What it writes when frames have been analysed. */
async function recognise(): Promise<void> {
  for (const [segmentId, detections] of [
    [1, [cat]],
    [2, []],
  ] as const) {
    const home = `recognition-results/${task}/${segmentId}_result`;
    await put(`${home}.json`, '{}');
    const imageUri = uri(`scene-images/${task}/image_${segmentId}.jpg`);
    await insertSegment(api.records.db, {
      jobId: task,
      segmentId,
      filename: 'film.mp4',
      sourceUri: imageUri,
      imageUri,
      scene: scenes[segmentId - 1],
      width: 1920,
      height: 1080,
      annotatedUri: uri(`${home}.jpg`),
      resultUri: uri(`${home}.json`),
      detections,
    });
    await api.records.sql`update job_items set state = 'succeeded'
      where job_id = ${task} and stage = 'recognise' and ordinal = ${segmentId}`;
  }
}

/** What it writes at the end. */
async function publish(): Promise<void> {
  const home = `recognition-results/${task}/`;
  const track = 'WEBVTT\n\n00:00:00.000 --> 00:00:04.000\nstoryboard.jpg#xywh=4,4,240,135\n';
  await put(`${home}thumbnails.vtt`, track);
  for (const name of ['poster.jpg', 'storyboard.jpg', 'scenes.json', 'scenes.csv', 'scenes.edl'])
    await put(home + name, name);
  await api.records.sql`update jobs set state = 'succeeded_with_warnings', finished_at = now(),
    result = ${JSON.stringify({ labels: overTime, scenes: 3 })}::jsonb where id = ${task}`;
}

const get = async (path: string, key = ann) => {
  const reply = await api.get(path, key);
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
};
const getJson = async (path: string) => JSON.parse((await get(path)).text);
const document = async () => analysis.parse(await getJson(`/analysis/${task}`));

describe('a video', () => {
  it('shows its scenes while more are found', async () => {
    await split();
    const { video, segments, labels, links } = await document();
    expect(video).toEqual(info);
    expect(segments).toEqual({ total: 3, succeeded: 0, failed: 0 });
    expect([labels, links.poster]).toEqual([[], undefined]);
    const page = await getJson(`/analysis/${task}/segments`);
    const [first] = page.segments.map((each: unknown) => segment.parse(each));
    expect(first).toMatchObject({
      segment_id: 1,
      filename: 'film.mp4',
      state: 'pending',
      width: 1920,
      scene: scenes[0],
      detections: [],
    });
    expect(Object.keys(first.links)).toEqual(['image']);
    expect(await (await fetch(first.links.image)).text()).toBe('frame 1');
    expect((await get(`/analysis/${task}/thumbnails.vtt`)).status).toBe(409);
  });

  it('lists its scenes as items of the job', async () => {
    const seen: string[] = [];
    let token: string | null = '';
    while (token !== null) {
      const page: { items: { stage: string; key: string }[]; nextPageToken: string | null } = await getJson(
        `/v1/jobs/${task}/items?pageSize=1&pageToken=${token}`,
      );
      seen.push(...page.items.map(({ stage, key }) => `${stage} ${key}`));
      token = page.nextPageToken;
    }
    expect(seen).toEqual(['recognise 1', 'recognise 2', 'recognise 3']);
  });

  it('shows what was found in them as they are analysed', async () => {
    await recognise();
    expect((await document()).labels).toEqual([{ label: 'cat', count: 1, bestScore: 0.75 }]);
    const one = segment.parse(await getJson(`/v1/analysis/${task}/segments/1`));
    expect(one).toMatchObject({ state: 'succeeded', scene: scenes[0], detections: [cat] });
    expect(Object.keys(one.links)).toEqual(['image', 'annotated', 'result']);
  });

  it('is found with the times of its scenes', async () => {
    const { segments } = await getJson('/v1/segments?label=cat');
    expect(segments).toMatchObject([{ task_id: task, segment_id: 1, bestScore: 0.75, scene: scenes[0] }]);
    expect(Object.keys(segments[0].links)).toEqual(['image', 'annotated', 'result']);
  });

  it('is exported with the times of its scenes', async () => {
    const coco = await getJson(`/analysis/${task}/export`);
    expect(coco.info.description).toBe('Darkroom video recognition');
    expect(coco.images).toEqual([
      { id: 1, file_name: 'image_1.jpg', width: 1920, height: 1080, start: 0, end: 4, at: 2 },
      { id: 2, file_name: 'image_2.jpg', width: 1920, height: 1080, start: 4, end: 8, at: 6 },
    ]);
    expect((await get(`/analysis/${task}/export?format=csv`)).text).toBe(
      'segment_id,filename,image_width,image_height,label,score,x,y,width,height,start,end,at,class_id\r\n' +
        '1,image_1.jpg,1920,1080,cat,0.75,1,2,30,40,0,4,2,\r\n',
    );
  });

  it('is summed up over time when it is done, with links to what it was published with', async () => {
    await publish();
    const { labels, links, state } = await document();
    expect([state, labels]).toEqual(['succeeded_with_warnings', overTime]);
    for (const [name, file] of [
      ['poster', 'poster.jpg'],
      ['storyboard', 'storyboard.jpg'],
      ['scenes', 'scenes.json'],
      ['scenesCsv', 'scenes.csv'],
      ['edl', 'scenes.edl'],
    ] as const) {
      const reply = await fetch(links[name] ?? '');
      expect(await reply.text()).toBe(file);
      expect(reply.headers.get('content-disposition')).toContain(file);
    }
  });

  it('has thumbnails that a player can follow without a key', async () => {
    const { links } = await document();
    const address = new URL(links.thumbnails ?? '');
    const reply = await fetch(`${api.url}${address.pathname}${address.search}`);
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toContain('text/vtt');
    const [, , time, picture = ''] = (await reply.text()).split('\n');
    expect(time).toBe('00:00:00.000 --> 00:00:04.000');
    expect(picture).toMatch(/#xywh=4,4,240,135$/);
    expect(await (await fetch(picture.split('#')[0] ?? '')).text()).toBe('storyboard.jpg');

    expect((await fetch(`${api.url}${address.pathname}`)).status).toBe(401);
    expect((await get(`/analysis/${task}/thumbnails.vtt`)).status).toBe(200);
    const bo = (await api.key({ owner: 'bo' })).key;
    expect((await get(`/analysis/${task}/thumbnails.vtt`, bo)).status).toBe(404);
  });

  it('says nothing of files that were removed', async () => {
    await api.records.sql`update jobs set results_removed_at = now() where id = ${task}`;
    const { links, labels } = await document();
    expect([links.poster, links.thumbnails]).toEqual([undefined, undefined]);
    expect(labels).toEqual(overTime);
    expect((await get(`/analysis/${task}/thumbnails.vtt`)).status).toBe(410);
  });

  it('is deleted like photos are', async () => {
    const remove = () =>
      fetch(`${api.url}/v1/analysis/${task}`, { method: 'DELETE', headers: { authorization: ann } });
    expect((await remove()).status).toBe(202);
    expect((await get(`/analysis/${task}`)).status).toBe(404);
    await api.dispatch.removal.removeObjects(task);
    await api.dispatch.removal.removeRows(task);
    expect((await remove()).status).toBe(204);
    for (const prefix of ['input-files', 'scene-images', 'recognition-results'])
      for await (const { key } of api.storage.list(`${prefix}/${task}/`)) expect(key).toBe('');
  });
});
