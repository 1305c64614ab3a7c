/** `POST /analysis`: photos or a video as a form, or where they lie as JSON. */
import { analysisLinks, analysisRequest, jobState, ProblemError, videoOptions } from '@darkroom/contract';
import type { Accepted } from '@darkroom/dispatch';
import { getJobRow } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api, ApiContext } from '../../../context.ts';
import { idempotencyHeader, jsonBodyProblems, problems, unvalidated } from '../../../openapi/describe.ts';
import { discardBody, jsonOf, requestBody } from '../../../requests/body.ts';
import { type MultipartLimits, readParts } from '../../../requests/multipart.ts';
import { linksOf } from '../links.ts';
import { type Base, named } from '../task.ts';
import { type IntakeCall, submitFiles, submitSource } from './intake.ts';
import { readRequest } from './options.ts';

const accepted = z
  .object({ task_id: z.string(), state: jobState, links: analysisLinks })
  .meta({ id: 'AnalysisAccepted' });

/** For the document alone: a form that is streamed is not validated as a whole. */
const form = z
  .strictObject({
    file: z.file().optional().meta({
      description:
        'One photo (JPEG, PNG, WebP, TIFF, GIF, AVIF or HEIC) or one video (MP4, MOV, MKV, WebM, AVI or TS), told by content. Kept as `input-files/{task_id}/{filename}`.',
    }),
    files: z.array(z.file()).optional().meta({
      description:
        'Instead of `file`: several photos of one task, the part repeated. Kept as `input-files/{task_id}/{segment_id}/{filename}`, numbered from 1, a single one too.',
      // The reference page would send a text in its place.
      example: [],
    }),
    ...videoOptions.shape,
  })
  .meta({
    id: 'AnalysisForm',
    description: 'Fields may come before or after the files; a blank field counts as not sent.',
  });

const submitAt = (base: Base) =>
  createRoute({
    method: 'post',
    path: `${base}/analysis`,
    ...named('submitAnalysis', base),
    summary: 'Analyse photos or a video',
    description: [
      'Send photos or a video as a form, or name with JSON where they lie: `source` (an object, or with a closing slash all photos under a prefix;',
      'it must be granted to the key) or `upload` (a completed upload of `/v1/uploads`, which becomes the input of this task and cannot be used twice).',
      'Whether it is a photo or a video is told by content. A video is divided into scenes, and the frame in the middle of each is analysed; the',
      'options from `mode` on are for videos alone.',
      'Every source is pinned to what it is now. With an `Idempotency-Key` the same request again names the first task.',
    ].join('\n'),
    request: {
      headers: idempotencyHeader,
      body: {
        required: true,
        content: {
          'multipart/form-data': {
            schema: unvalidated(form),
            encoding: { labels: { style: 'form', explode: true } },
          },
          'application/json': {
            schema: unvalidated(analysisRequest),
            example: { source: 's3://darkroom-samples/photos/', scoreThreshold: 0.5, labels: ['cat'] },
          },
        },
      },
    },
    responses: {
      202: {
        description: 'The task is queued.',
        headers: z.object({
          location: z.string().meta({ description: 'Address of the task.' }),
          'retry-after': z.string().meta({ description: 'Seconds until it is worth a look.' }),
        }),
        content: { 'application/json': { schema: accepted } },
      },
      ...problems(
        ...jsonBodyProblems,
        'idempotency_key_reused',
        'idempotency_key_deleted',
        'outcome_unknown',
        'unknown_model',
        'model_not_ready',
        'unknown_label',
        'unsupported_media',
        'unsupported_video',
        'video_among_photos',
        'empty_file',
        'too_large',
        'too_many_items',
        'source_not_granted',
        'source_not_found',
        'source_changed',
        'upload_incomplete',
        'upload_used',
        'conflict',
        'not_found',
        'storage_unavailable',
      ),
    },
  });

/** Registers the route under `base`. */
export function registerAnalysisSubmit(api: Api, base: Base): void {
  api.openapi(submitAt(base), async (c) => {
    const { deps, caller } = c.var;
    const { jobId, duplicate } = await intake(c, {
      caller,
      idempotencyKey: c.req.valid('header')['idempotency-key'],
      signal: c.req.raw.signal,
    });
    c.set('jobId', jobId);
    const known = duplicate ? await getJobRow(deps.records.db, jobId) : undefined;
    const state = jobState.parse(known?.state ?? 'queued');
    const links = linksOf(deps.config.api.publicUrl, jobId);
    return c.json({ task_id: jobId, state, links }, 202, { location: links.self, 'retry-after': '1' });
  });
}

async function intake(c: ApiContext, call: IntakeCall): Promise<Accepted> {
  const { deps } = c.var;
  const type = c.req.header('content-type') ?? '';
  if (/^multipart\/form-data\s*(;|$)/i.test(type)) {
    try {
      return await submitFiles(deps, call, readParts(requestBody(c), type, formLimits(c)));
    } catch (error) {
      await discardBody(c);
      throw error;
    }
  }
  if (/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    return submitSource(deps, call, readRequest(await jsonOf(c)));
  }
  throw new ProblemError(
    'unsupported_content_type',
    `Send multipart/form-data with a photo or video in the field file, or application/json with source or upload, not ${type || 'a body without a type'}.`,
  );
}

function formLimits(c: ApiContext): MultipartLimits {
  const { photosPerTask, jsonBytes } = c.var.deps.config.limits;
  return { files: photosPerTask, fields: 300, fieldBytes: Math.min(jsonBytes, 65_536), headerBytes: 16_384 };
}
