/**
 * Submits a photo twice, as a form and as an upload, follows both, fetches what was found and made; all by the types that
 * openapi-typescript writes. Prints what it got as JSON. Environment: API_URL, API_KEY, PHOTO (a file).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import createClient from 'openapi-fetch';
import type { components, paths } from './generated/schema.d.ts';

type JobEvent = components['schemas']['JobEvent'];
type Job = components['schemas']['Job'];

const { API_URL: baseUrl = '', API_KEY = '', PHOTO = '' } = process.env;
const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${API_KEY}` } });
const photo = new File([await readFile(PHOTO)], basename(PHOTO));

/** The answer, or its problem as an error. */
function given<T>({ data, error }: { data?: T; error?: components['schemas']['Problem'] }): T {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.detail}`);
  return data;
}

async function submitForm(): Promise<string> {
  const submitted = await client.POST('/v1/analysis', {
    params: { header: { 'idempotency-key': 'story-form' } },
    body: { file: photo, scoreThreshold: 0.5, labels: ['cat', 'dog'] },
    bodySerializer(body) {
      const form = new FormData();
      for (const [name, value] of Object.entries(body))
        for (const one of Array.isArray(value) ? value : [value])
          form.append(name, one instanceof Blob ? one : String(one));
      return form;
    },
  });
  return given(submitted).task_id;
}

async function submitUpload(): Promise<string> {
  const opened = await client.POST('/v1/uploads', { body: { filename: photo.name, bytes: photo.size } });
  const upload = given(opened);
  for (const { partNumber, url } of upload.parts) {
    const from = (partNumber - 1) * upload.partBytes;
    const sent = await fetch(url, { method: 'PUT', body: photo.slice(from, from + upload.partBytes) });
    if (!sent.ok) throw new Error(`Part ${partNumber}: ${await sent.text()}`);
  }
  const params = { path: { id: upload.id } };
  const { state } = given(await client.POST('/v1/uploads/{id}/complete', { params }));
  if (state !== 'complete') throw new Error(`The upload is ${state}.`);
  const body = { upload: upload.id, annotate: false };
  return given(await client.POST('/v1/analysis', { body })).task_id;
}

/** Reads the job's events to their end. */
async function follow(id: string): Promise<{ names: string[]; last: Job }> {
  const { response } = await client.GET('/v1/jobs/{id}/events', {
    params: { path: { id } },
    parseAs: 'stream',
  });
  const names: string[] = [];
  let last: Job | undefined;
  for (const block of (await response.text()).split('\n\n')) {
    const lines = block.split('\n').map((line) => /^(event|data|id): (.*)$/s.exec(line) ?? []);
    const { event, data } = Object.fromEntries(lines.map(([, name, value]) => [name, value]));
    if (event === undefined) continue;
    const told = { event, data: JSON.parse(data ?? '') } as JobEvent;
    names.push(told.event);
    switch (told.event) {
      case 'snapshot':
      case 'state':
        last = told.data;
        break;
      case 'progress':
        if (last !== undefined) last.progress = told.data;
        break;
      case 'deleted':
        throw new Error(`${told.data.id} was deleted.`);
    }
  }
  if (last === undefined) throw new Error('There was no event.');
  return { names, last };
}

async function fetchAll(id: string) {
  const { names, last } = await follow(id);
  const task = given(await client.GET('/v1/analysis/{task_id}', { params: { path: { task_id: id } } }));
  const { segments } = given(
    await client.GET('/v1/analysis/{task_id}/segments', { params: { path: { task_id: id } } }),
  );
  const results = given(
    await client.GET('/v1/jobs/{id}/results', { params: { path: { id }, query: { pageSize: 100 } } }),
  );
  const files = await Promise.all(
    results.files.map(async ({ path, url, sha256 }) => {
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
      return { path, whole: createHash('sha256').update(bytes).digest('hex') === sha256 };
    }),
  );
  // Only a video's options have a mode: `media` tells which they are.
  const mode = task.media === 'video' ? task.options.mode : undefined;
  return {
    id,
    events: names,
    state: last.state,
    percent: last.progress.percent,
    manifest: last.result?.manifest,
    media: task.media,
    mode,
    scoreThreshold: task.options.scoreThreshold,
    labels: task.labels.map(({ label }) => label),
    detections: segments.flatMap(({ detections }) => detections.map(({ label }) => label)),
    files,
  };
}

const [form, upload] = await Promise.all([submitForm(), submitUpload()]);
const missing = await client.GET('/v1/jobs/{id}', { params: { path: { id: 'none' } } });
console.log(
  JSON.stringify({
    form: await fetchAll(form),
    upload: await fetchAll(upload),
    problem: missing.error?.code,
  }),
);
