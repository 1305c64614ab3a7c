/** The thumbnails of a video as a track for players, whose pictures can be loaded without a key. */
import { hasSucceeded, type JobState, ProblemError, videoFiles } from '@darkroom/contract';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { requireResults } from '../jobs/files.ts';
import { fileLink, fileUri } from './links.ts';
import { type Base, loadTask, named, taskParam } from './task.ts';

/** A track has some hundred cues. */
const trackBytes = 1024 * 1024;

const thumbnailsAt = (base: Base) =>
  createRoute({
    method: 'get',
    path: `${base}/analysis/{task_id}/thumbnails.vtt`,
    ...named('getThumbnails', base),
    summary: 'Thumbnails of a video over its time, as WebVTT',
    description:
      'For the time line of a player: each cue names a piece of the storyboard, by a link that is good for some minutes. A browser takes the `thumbnails` link of the task, which needs no key.',
    security: [{ key: [] }, { link: [] }],
    request: { params: taskParam },
    responses: {
      200: { description: 'The track.', content: { 'text/vtt': { schema: z.string() } } },
      ...problems('not_found', 'results_not_ready', 'results_removed', 'storage_unavailable'),
    },
  });

/** Registers the route under `base`. */
export function registerAnalysisThumbnails(api: Api, base: Base): void {
  api.openapi(thumbnailsAt(base), async (c) => {
    const { job, media } = await loadTask(c, c.req.valid('param').task_id, 'read');
    if (media !== 'video') throw new ProblemError('not_found', 'Photos have no thumbnails over time.');
    requireResults(job);
    if (!hasSucceeded(job.state as JobState)) {
      throw new ProblemError('not_found', `The task is ${job.state}; it was not published.`);
    }
    const { storage } = c.var.deps;
    const track = await storage.getBytes(fileUri(c, job.id, 'thumbnails'), { maxBytes: trackBytes });
    const sheet = await fileLink(c, job.id, 'storyboard');
    // In the bucket the track names the sheet beside it, whose plain address nobody may read.
    const linked = track.toString().replaceAll(`\n${videoFiles.storyboard.path}#`, () => `\n${sheet}#`);
    return c.body(linked, 200, { 'content-type': 'text/vtt; charset=utf-8' });
  });
}
