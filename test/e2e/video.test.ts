import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { manifest, type Segment, videoInfo } from '@darkroom/contract';
import { openPicture } from '@darkroom/media/testing/film/pictures.ts';
import { planes } from '@darkroom/media/testing/film/planes.ts';
import { makeSound } from '@darkroom/media/testing/film/sound.ts';
import { makeHeic } from '@darkroom/media/testing/heic.ts';
import { hostileFiles } from '@darkroom/media/testing/hostile/hostile.ts';
import { toldSandboxes } from '@darkroom/models';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { samplesFolder } from '../../apps/local/stack/samples.ts';
import type { TestProcess } from '../harness/process.ts';
import { startTestStack } from '../harness/stack.ts';
import { ApiUser, sample } from '../harness/user.ts';

/** The journey of a video: in over HTTP, scenes, frames and findings out, on the real parts. */

let stack: Awaited<ReturnType<typeof startTestStack>>;
let api: TestProcess & { url: string };
let worker: TestProcess;
let records: Records;
let storage: Storage;
let ada: ApiUser;

beforeAll(async () => {
  stack = await startTestStack('video');
  const { postgres, s3 } = stack.stack;
  await migrate(postgres);
  records = await openRecords({ url: postgres });
  storage = createStorage({ ...s3, forcePathStyle: true });
  [api, worker] = await Promise.all([stack.startApi(), stack.startWorker()]);
  const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
  ada = new ApiUser(api.url, key);
}, 300_000);

afterAll(async () => {
  await records?.close();
  storage?.close();
  await stack?.close();
});

const bytesOf = async (link: string | undefined): Promise<Buffer> => {
  const answer = await fetch(link ?? '');
  expect(answer.status).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
};
const labelsOf = ({ detections }: Segment): string[] => detections.map(({ label }) => label);

/** Where the sample film's shots begin, as `make-film.ts` laid them. */
const shots = [
  { start: 0, begins: 'start' },
  { start: 3, begins: 'cut' },
  { start: 5.4, begins: 'dissolve' },
  { start: 8.6, begins: 'fade' },
  { start: 12.2, begins: 'cut' },
  { start: 16.2, begins: 'fade' },
  { start: 19.2, begins: 'cut' },
];

describe('a video', () => {
  let task: string;

  test('is split into its scenes, of each the frame in the middle is recognised', async () => {
    task = await ada.analyse([await sample('film.mp4')], { statistics: 'true' });
    const job = await ada.ended(task, 80_000);
    expect(job).toMatchObject({ kind: 'video', state: 'succeeded', problem: null, warnings: 0 });
    expect(job.progress.percent).toBe(100);
    expect(
      job.progress.stages.map(({ name, state, done, total }) => [name, state, done === total && total]),
    ).toEqual([
      ['probe', 'succeeded', 1],
      ['split', 'succeeded', 22],
      ['recognise', 'succeeded', shots.length],
      ['annotate', 'succeeded', shots.length],
      ['publish', 'succeeded', shots.length],
    ]);

    const segments = await ada.segments(task);
    expect(segments.map(({ scene }) => scene?.begins)).toEqual(shots.map(({ begins }) => begins));
    for (const [n, { scene, ...segment }] of segments.entries()) {
      const { start } = shots[n]!;
      const end = shots[n + 1]?.start ?? 21.2;
      expect(segment).toMatchObject({ segment_id: n + 1, filename: 'film.mp4', width: 1280, height: 720 });
      // A cut to the frame; of a fade or dissolve anywhere within.
      const slack = (boundary: string | undefined) => (boundary === 'cut' ? 0.001 : 0.5);
      expect(Math.abs(scene!.start - start)).toBeLessThan(slack(scene?.begins));
      expect(Math.abs(scene!.end - end)).toBeLessThan(slack(segments[n + 1]?.scene?.begins));
      expect(Math.abs(scene!.frame.offset)).toBeLessThanOrEqual(0.04 + 1e-9);
      expect(scene!.frame.at - scene!.frame.offset).toBeCloseTo((scene!.start + scene!.end) / 2, 3);
    }
    expect(labelsOf(segments[1]!)).toContain('cat');
    expect(labelsOf(segments[2]!)).toContain('cup');
  });

  test('has its pictures, storyboard, thumbnails and lists, each in the manifest', async () => {
    const numbers = shots.map((_, n) => n + 1);
    expect(await keysUnder(storage, `input-files/${task}/`)).toEqual([`input-files/${task}/film.mp4`]);
    expect(await keysUnder(storage, `scene-images/${task}/`)).toEqual(
      numbers.map((n) => `scene-images/${task}/image_${n}.jpg`),
    );
    const kept = await keysUnder(storage, `frame-inputs/${task}/`);
    expect(kept.filter((key) => !key.startsWith(`frame-inputs/${task}/statistics/`))).toEqual([]);
    const home = `recognition-results/${task}/`;
    const own = ['coco.json', 'manifest.json', 'poster.jpg', 'results.csv', 'scenes.csv', 'scenes.edl'];
    const rest = ['scenes.json', 'statistics.csv', 'storyboard.jpg', 'thumbnails.vtt', 'video.json'];
    expect(await keysUnder(storage, home)).toEqual(
      [...numbers.flatMap((n) => [`${n}_result.jpg`, `${n}_result.json`]), ...own, ...rest]
        .map((name) => home + name)
        .sort(),
    );
    const text = String(await storage.getBytes(`${home}manifest.json`, { maxBytes: 1_000_000 }));
    const { files } = manifest.parse(JSON.parse(text));
    expect(files).toHaveLength(3 * shots.length + own.length + rest.length - 1);
    for (const { uri, sha256, bytes } of files) {
      const stored = await storage.getBytes(uri, { maxBytes: 100_000_000 });
      expect([uri, stored.length]).toEqual([uri, bytes]);
      expect([uri, createHash('sha256').update(stored).digest('hex')]).toEqual([uri, sha256]);
    }
  });

  test('leaves neither decoders nor the runtime in the process that holds credentials', async () => {
    const maps = await readFile(`/proc/${worker.pid}/maps`, 'utf8');
    expect(maps).toContain('node');
    expect(maps).not.toMatch(/vips|sharp|onnxruntime|node-av|libav/);
  });

  test('is worked on by a worker that tells what holds its processes', async () => {
    const told = await toldSandboxes(records.db);
    expect(told.map(({ worker }) => worker)).toEqual([`${hostname()}/${worker.pid}`]);
  });

  test('is summed up over its time', async () => {
    const { labels, links, video, media } = await ada.analysis(task);
    expect(media).toBe('video');
    expect(videoInfo.parse(video)).toMatchObject({ codec: 'h264', width: 1280, height: 720, rotation: 0 });
    const cat = labels.find(({ label }) => label === 'cat');
    expect(cat).toMatchObject({ firstSeen: expect.closeTo(4.2, 0), share: expect.any(Number) });
    for (const name of ['poster', 'storyboard'] as const) {
      expect((await sharp(await bytesOf(links[name])).metadata()).format).toBe('jpeg');
    }
    const track = String(await bytesOf(links.thumbnails));
    expect(track).toMatch(/^WEBVTT\n/);
    expect(track.match(/storyboard\.jpg\S*#xywh=/g)).toHaveLength(shots.length);
    expect(String(await bytesOf(links.edl))).toMatch(/^TITLE: /);
    const [header, ...lines] = String(await bytesOf(links.statistics))
      .trimEnd()
      .split('\r\n');
    expect(header).toMatch(/^time,change,ratio,/);
    const times = lines.map((line) => Number(line.split(',')[0]));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.length).toBeGreaterThan(20 * 21);
    expect(lines.filter((line) => line.split(',').includes('cut'))).toHaveLength(3);
  });

  test('shows each frame at full size, and drawn into', async () => {
    const [, cat] = await ada.segments(task);
    for (const link of [cat?.links.image, cat?.links.annotated]) {
      const { width, height, format } = await sharp(await bytesOf(link)).metadata();
      expect({ width, height, format }).toEqual({ width: 1280, height: 720, format: 'jpeg' });
    }
  });

  test('is found by what is on it, beside photos', async () => {
    const answer = await ada.call('/v1/segments?label=cat&minScore=0.5');
    const { segments } = (await answer.json()) as { segments: { task_id: string; scene: object | null }[] };
    expect(segments.find(({ task_id }) => task_id === task)?.scene).toMatchObject({ begins: 'cut' });
  });

  test('runs again over a part of it, divided', async () => {
    const answer = await ada.post(`/v1/jobs/${task}/rerun`, { from: 13, to: 15.5, longestScene: 5 });
    expect(answer.status).toBe(202);
    const { id } = (await answer.json()) as { id: string };
    expect(await ada.ended(id)).toMatchObject({ state: 'succeeded' });
    const [only, ...others] = await ada.segments(id);
    expect(others).toEqual([]);
    expect(only?.scene).toMatchObject({ begins: 'start', start: 13 });
    expect(only!.scene!.end).toBeCloseTo(15.5, 1);
  });

  test('gives several frames of a long scene where samples are asked for, and lists it once', async () => {
    const options = { from: 0, to: 5, sampleEvery: 1 };
    const answer = await ada.post(`/v1/jobs/${task}/rerun`, options);
    expect(answer.status).toBe(202);
    const { id } = (await answer.json()) as { id: string };
    const job = await ada.ended(id);
    expect(job).toMatchObject({ state: 'succeeded', progress: { percent: 100 }, input: options });
    const frames = (await ada.segments(id)).map(({ scene }) => scene!);
    expect(frames.map(({ number, begins }) => [number, begins])).toEqual([
      [1, 'start'],
      [1, 'sample'],
      [1, 'sample'],
      [2, 'cut'],
      [2, 'sample'],
    ]);
    for (const [n, { start, end, frame }] of frames.entries()) {
      expect(start).toBeCloseTo(n, 1);
      expect(end).toBeCloseTo(n + 1, 1);
      expect(frame.at).toBeCloseTo(n + 0.5, 1);
    }
    const stages = job.progress.stages.map(({ name, done, total }) => [name, done, total]);
    expect(stages).toContainEqual(['recognise', 5, 5]);
    const list = await storage.getBytes(`recognition-results/${id}/scenes.csv`, { maxBytes: 1e5 });
    expect(list.toString().trim().split(/\r?\n/).length - 1).toBe(2);
    const refused = await ada.post(`/v1/jobs/${task}/rerun`, { sampleEvery: 0 });
    expect(refused.status).toBe(422);
  });

  test('of which nothing lies in the range that is asked for fails by that reason', async () => {
    const answer = await ada.post(`/v1/jobs/${task}/rerun`, { from: 4000 });
    const { id } = (await answer.json()) as { id: string };
    expect(await ada.ended(id)).toMatchObject({ state: 'failed', problem: { code: 'empty_range' } });
  });

  test('goes without a trace', async () => {
    expect((await ada.call(`/analysis/${task}`, { method: 'DELETE' })).status).toBeLessThan(300);
    const gone = async () => (await ada.call(`/analysis/${task}`, { method: 'DELETE' })).status === 204;
    for (let tries = 0; !(await gone()) && tries < 100; tries++) await new Promise((r) => setTimeout(r, 100));
    for (const prefix of ['recognition-results', 'scene-images', 'frame-inputs'])
      expect(await keysUnder(storage, `${prefix}/${task}/`)).toEqual([]);
  });
});

test('a photo as an iPhone saves it is read by the decoder of videos', async () => {
  const picture = planes(640, 426);
  openPicture({ image: join(samplesFolder, 'cat.jpg') }, 640, 426)(0, { x: 0, y: 0, size: 1 }, picture);
  const bytes = new Uint8Array(makeHeic(picture, { tile: 256 }));
  const task = await ada.analyse([{ name: 'IMG_0001.HEIC', bytes }]);
  expect(await ada.ended(task)).toMatchObject({ kind: 'photo', state: 'succeeded' });
  const [photo] = await ada.segments(task);
  expect(photo).toMatchObject({ width: 640, height: 426, scene: null });
  expect(labelsOf(photo!)).toContain('cat');
});

test('of a video that breaks off what is there is analysed, and it is said', async () => {
  const { bytes } = await sample('film.mp4');
  const half = { name: 'half.mp4', bytes: bytes.slice(0, bytes.length >> 1) };
  const task = await ada.analyse([half]);
  const job = await ada.ended(task, 60_000);
  // The picture at the break is damaged.
  expect(job).toMatchObject({ state: 'succeeded_with_warnings', warnings: 2, problem: null });
  expect(job.result?.warnings).toContainEqual(expect.stringMatching(/^The file breaks off after \d/));
  const found = (await ada.segments(task)).length;
  expect(found).toBeGreaterThanOrEqual(2);
  expect(found).toBeLessThan(shots.length);
});

describe('what is no video to be analysed', () => {
  test('fails by its own reason: sound alone', async () => {
    const task = await ada.analyse([{ name: 'song.mp4', bytes: new Uint8Array(makeSound()) }]);
    expect(await ada.ended(task)).toMatchObject({ state: 'failed', problem: { code: 'no_video_stream' } });
  });

  test('hostile files end soon by a problem of theirs, and the worker goes on', async () => {
    // What they name does not exist here; that nothing of it is opened is proven beside the decoder's process.
    const all = hostileFiles({ file: '/nonexistent/bait', url: 'http://127.0.0.1:1' });
    for (const { name, bytes, ends } of all.filter((_, n) => n % 4 === 0)) {
      const form = new FormData();
      form.append('file', new File([new Uint8Array(bytes)], 'film.mp4'));
      const answer = await ada.call('/analysis', { method: 'POST', body: form });
      const { task_id, code } = (await answer.json()) as { task_id?: string; code?: string };
      if (task_id === undefined) {
        expect([name, answer.status]).toEqual([name, expect.toBeOneOf([413, 415, 422])]);
        expect([name, code]).toEqual([name, expect.any(String)]);
        continue;
      }
      const job = await ada.ended(task_id, 30_000);
      const end = job.problem?.code ?? 'read';
      expect([name, end]).toEqual([name, expect.toBeOneOf([...ends])]);
    }
    expect(worker.lines.some((line) => line.includes('"level":60'))).toBe(false);
    const after = await ada.analyse([await sample('film.mp4')]);
    expect(await ada.ended(after, 80_000)).toMatchObject({ state: 'succeeded' });
    expect(await Promise.race([worker.ended, 'alive'])).toBe('alive');
  }, 300_000);

  test('a playlist in disguise is read no further than its first bytes', async () => {
    const playlist = `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n`;
    const form = new FormData();
    form.append('file', new File([playlist], 'film.mp4'));
    const answer = await ada.call('/analysis', { method: 'POST', body: form });
    expect(answer.status).toBe(415);
  });
});
