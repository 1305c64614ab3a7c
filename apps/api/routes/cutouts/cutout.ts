/** `GET /v1/cutouts`: a place in a survey in, its file out. */
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CutoutRequest, cutoutQuery, type ProblemCode, ProblemError } from '@darkroom/contract';
import { asked, digestOf } from '@darkroom/sky/realtime/plan.ts';
import { type CutoutFile, cutoutKey, loseFile } from '@darkroom/sky/realtime/records/files.ts';
import { contentDisposition, type Storage, StorageError } from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import { isKnown } from '../../archive/range.ts';
import type { Api, ApiContext } from '../../context.ts';
import { type PlannedCutout, planCutout, readRequest } from '../../cutting/plan.ts';
import { queryOf, record, recordWait, type Told } from '../../cutting/record.ts';
import { jsonBodyProblems, problems, unvalidatedQuery } from '../../openapi/describe.ts';
import { toProblem, validationProblem } from '../../problems.ts';
import { optionsInQuery } from '../../requests/query.ts';
import { signLink } from '../../signed/links.ts';

/** What a cutout can fail with, beside what any request can. */
export const cutoutProblems: readonly ProblemCode[] = [
  'validation_failed',
  'unknown_survey',
  'survey_not_granted',
  'unknown_band',
  'no_coverage',
  'cutout_too_large',
  'source_changed',
  'corrupt_tile',
  'unsupported_tile',
  'overloaded',
  'deadline_exceeded',
  'engine_unavailable',
  'storage_unavailable',
];

const text = (description: string) => z.string().meta({ description });
const binary = z.string().meta({ format: 'binary' });
const headers = z.object({
  etag: text(
    'Of the request, the survey and its files as they are: the same is the same file, byte for byte.',
  ),
  'cutout-id': text('Of the record of this request: GET /v1/cutouts/requests/{id}.'),
  'cutout-survey': text('Name and release of the survey.'),
  'cutout-tiles': text('Names of the tiles that the cutout is made of, with commas between.'),
  'cutout-mode': text('How it was made over edges: `primary`, `clip` or `mosaic`.'),
  'cutout-coverage': text('Share of its pixels that have data, 0 to 1.'),
  'cutout-size': text('Pixels: width×height.'),
  'cutout-provenance': text(
    '`verified` where its bytes were checked against the checksums of the survey, else `unverified`.',
  ),
  'cutout-warnings': z.string().optional().meta({ description: 'What to look at, as a JSON list.' }),
  'cutout-levels': z
    .string()
    .optional()
    .meta({ description: 'Of a picture: the levels it was made with, as JSON.' }),
});

const route = createRoute({
  method: 'get',
  path: '/v1/cutouts',
  operationId: 'getCutout',
  tags: ['Cutouts'],
  summary: 'A cutout of a sky survey',
  description: [
    'The answer is the file itself: FITS, or a picture. What it was made of, and how, stands in its headers (and in those of the FITS file).',
    'What is expected to take too long or to be too large is refused before any work, with the largest size that would be taken and the same request as a job; it is never made smaller in silence.',
    'Requests for the same at the same time are one piece of work. For `<img>` and notebooks, `POST /v1/cutouts/links` signs the address.',
  ].join('\n'),
  security: [{ key: [] }, { link: [] }],
  ...unvalidatedQuery(cutoutQuery),
  responses: {
    200: {
      description: 'The file.',
      headers,
      content: { 'application/fits': { schema: binary }, 'image/*': { schema: binary } },
    },
    304: { description: 'It is the one that `If-None-Match` names.' },
    ...problems(...cutoutProblems),
  },
});

const signedLink = z.object({ url: z.string(), expiresAt: z.iso.datetime() }).meta({ id: 'CutoutLink' });

const linkRoute = createRoute({
  method: 'post',
  path: '/v1/cutouts/links',
  operationId: 'linkCutout',
  tags: ['Cutouts'],
  summary: 'An address of a cutout that needs no key',
  description:
    'For `<img>`, notebooks and colleagues: whoever has it may GET this cutout, until it expires. Of what its sender may not have, or what cannot be, there is none.',
  request: { body: { required: true, content: { 'application/json': { schema: cutoutQuery } } } },
  responses: {
    200: { description: 'The address.', content: { 'application/json': { schema: signedLink } } },
    ...problems(...jsonBodyProblems, 'unknown_survey', 'survey_not_granted', 'unknown_band'),
  },
});

/** Registers the routes. */
export function registerCutout(api: Api): void {
  api.openapi(route, (c) => answer(c));

  api.openapi(linkRoute, async (c) => {
    const { config } = c.var.deps;
    const given = c.req.valid('json');
    await readRequest(c.var.deps, c.var.caller, given);
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(given))
      for (const one of [value].flat()) if (one !== undefined) query.append(name, String(one));
    query.sort();
    const path = signLink(config.links, `/v1/cutouts?${query}`, c.var.caller);
    const expiresAt = new Date(Date.now() + 1000 * config.links.ttlSeconds).toISOString();
    return c.json({ url: `${config.api.publicUrl}${path}`, expiresAt }, 200);
  });
}

/** What fails is told though its record is not written by then, milliseconds. */
const recordMs = 1000;

async function answer(c: ApiContext): Promise<Response> {
  const began = Date.now();
  const told: Told = {};
  try {
    return await answerTold(c, told, began);
  } catch (error) {
    // Where that fails too, or takes long, the request's own failure is what is told.
    if (told.isRecorded !== true) {
      const recorded = record(c, told, began, toProblem(error)).catch(() => {});
      await Promise.race([recorded, sleep(recordMs, undefined, { ref: false })]);
    }
    throw error;
  }
}

async function answerTold(c: ApiContext, told: Told, began: number): Promise<Response> {
  const { caller, deps } = c.var;
  const { cutting } = deps;
  const read = cutoutQuery.safeParse(optionsInQuery(cutoutQuery, queryOf(c)));
  if (!read.success) throw validationProblem(read.error, 'query');
  told.query = read.data;
  const planned = await planCutout(deps, caller, read.data, (request) => {
    told.request = request;
  });
  told.estimate = planned.estimate;
  const digest = digestOf(planned.call);
  told.digest = digest;
  const etag = `"${digest}"`;
  if (isKnown(c.req.header('if-none-match'), etag)) {
    told.shared = true;
    const id = await record(c, told, began);
    return new Response(null, {
      status: 304,
      headers: { etag, 'cache-control': cachingOf(c), 'cutout-id': String(id) },
    });
  }
  const { file, body, length } = await madeFile(c, told, planned, began);
  const id = await record(c, told, began).catch((error: unknown) => {
    body.destroy();
    throw error;
  });
  if (told.shared === false)
    cutting.estimates.record({
      ...asked(planned.request, planned.features),
      // Without what it waited for others: that says nothing of the next, and much of it would have all of them refused.
      seconds: Math.max(0, Date.now() - began - (file.timings.queue ?? 0)) / 1000,
      bytes: file.bytes,
      estimated: planned.estimate.seconds,
    });
  return new Response(Readable.toWeb(body) as NodeStream<Uint8Array> as ReadableStream<Uint8Array>, {
    headers: {
      ...headersOf(c, planned, file),
      etag,
      'cutout-id': String(id),
      'content-length': String(length),
    },
  });
}

/** The file, once more where somebody has removed it from the store meanwhile. */
async function madeFile(
  c: ApiContext,
  told: Told,
  { call }: PlannedCutout,
  began: number,
): Promise<{ file: CutoutFile; body: Readable; length: number }> {
  const { caller, deps } = c.var;
  const { signal } = c.req.raw;
  const until = began + 1000 * deps.config.cutouts.deadlineSeconds;
  for (let tries = 1; ; tries++) {
    const { file, shared } = await deps.cutting.maker.make({
      digest: told.digest ?? '',
      owner: caller.owner,
      call,
      deadlineMs: Math.max(1, until - Date.now()),
      signal,
      waits: () => recordWait(c, told, began),
    });
    Object.assign(told, { file, shared });
    if (file.problem !== null) throw new ProblemError(file.problem.code, file.problem.detail);
    try {
      const { stream, length } = await openInTime(deps.storage, cutoutKey(file.unit), { until, signal });
      return { file, body: stream, length };
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'source_not_found') throw error;
      if (tries > 1) throw new ProblemError('storage_unavailable', 'The file was made, and is gone.');
      await loseFile(deps.records.db, file);
    }
  }
}

/** Opens an object. Throws `deadline_exceeded` where the store has not begun to give it by then. */
async function openInTime(
  storage: Pick<Storage, 'get'>,
  key: string,
  { until, signal }: { readonly until: number; readonly signal: AbortSignal },
): Promise<{ stream: Readable; length: number }> {
  const late = new AbortController();
  const timer = setTimeout(
    () =>
      late.abort(new ProblemError('deadline_exceeded', 'The file is made, and the store does not give it.')),
    Math.max(1, until - Date.now()),
  );
  try {
    return await storage.get(key, { signal: AbortSignal.any([signal, late.signal]) });
  } finally {
    clearTimeout(timer);
  }
}

const contentTypes: Readonly<Record<CutoutRequest['format'], string>> = {
  fits: 'application/fits',
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
};

/** Asked again with its ETag, it is not sent again. A page with many pictures, by their links, does not ask for each again. */
const cachingOf = (c: ApiContext): string =>
  c.req.query('signature') === undefined ? 'private, no-cache' : 'private, max-age=300';

function headersOf(
  c: ApiContext,
  { request, call }: PlannedCutout,
  { facts }: CutoutFile,
): Record<string, string> {
  const { survey, ra, dec, format, mode } = request;
  const name = `${survey}_${ra.toFixed(5)}_${dec.toFixed(5)}.${format}`;
  return {
    'content-type': contentTypes[format],
    'content-disposition': contentDisposition(name, format === 'fits' ? 'attachment' : 'inline'),
    'cache-control': cachingOf(c),
    'cutout-survey': inHeader(`${survey} ${call.survey.release}`),
    'cutout-mode': mode,
    ...(facts !== null && {
      'cutout-tiles': inHeader(facts.tiles.join(',')),
      'cutout-coverage': facts.coverage.toFixed(6),
      'cutout-size': `${facts.width}x${facts.height}`,
      'cutout-provenance': facts.verified ? 'verified' : 'unverified',
      ...(facts.warnings.length > 0 && { 'cutout-warnings': inHeader(JSON.stringify(facts.warnings)) }),
      ...(facts.levels !== null && { 'cutout-levels': inHeader(JSON.stringify(facts.levels)) }),
    }),
  };
}

/** Header values are ASCII: what is not is written as JSON has it. */
const inHeader = (value: string): string =>
  value.replaceAll(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
