/** Where to go on from a task. */
import {
  type AnalysisLinks,
  hasSucceeded,
  type JobState,
  type VideoFile,
  videoFiles,
  videoKind,
  videoOptions,
} from '@darkroom/contract';
import type { Storage } from '@darkroom/storage';
import type { ApiContext } from '../../context.ts';
import { signLink } from '../../signed/links.ts';
import type { Task } from './task.ts';

/** Makes links with which a browser reads an object for some minutes. */
export interface LinkMaker {
  readonly storage: Pick<Storage, 'linkTo'>;
  readonly ttlSeconds: number;
  /** A link to a segment's photo: of an upload, to the object itself; of one that was granted, to the API, which asks for the grant each time. */
  source(photo: {
    readonly taskId: string;
    readonly segmentId: number;
    readonly uri: string;
    readonly filename: string;
  }): Promise<string>;
}

export function linkMaker(c: ApiContext): LinkMaker {
  const { storage, dispatch, config } = c.var.deps;
  const { ttlSeconds } = config.links;
  return {
    storage,
    ttlSeconds,
    async source({ taskId, segmentId, uri, filename }) {
      if (dispatch.isUploaded(uri))
        return storage.linkTo(uri, { expiresInSeconds: ttlSeconds, filename, disposition: 'inline' });
      const path = `/v1/analysis/${encodeURIComponent(taskId)}/segments/${segmentId}/source`;
      return config.api.publicUrl + signLink(config.links, path, c.var.caller);
    },
  };
}

/** Addresses of the API itself, which need a key; absolute, since they travel without the request. */
export function linksOf(publicUrl: string, id: string): AnalysisLinks {
  const self = `${publicUrl}/v1/analysis/${encodeURIComponent(id)}`;
  const job = `${publicUrl}/v1/jobs/${encodeURIComponent(id)}`;
  return {
    self,
    segments: `${self}/segments`,
    coco: `${self}/export?format=coco`,
    csv: `${self}/export?format=csv`,
    job,
    events: `${job}/events`,
    cancel: `${job}/cancel`,
    results: `${job}/results`,
  };
}

/** Path of the thumbnails of a task, the one their signed link is made for. */
const thumbnailsPath = (base: string, id: string): string =>
  `${base}/analysis/${encodeURIComponent(id)}/${videoFiles.thumbnails.path}`;

/** All links of a task: of a video that has been analysed, also those to what it was published with. */
export async function taskLinks(c: ApiContext, task: Task): Promise<AnalysisLinks> {
  const { config } = c.var.deps;
  const { job } = task;
  const links = linksOf(config.api.publicUrl, job.id);
  if (task.media !== 'video' || !hasSucceeded(job.state as JobState) || job.resultsRemovedAt !== null)
    return links;
  const { statistics = false } = videoOptions.parse(job.input);
  const files: VideoFile[] = ['poster', 'storyboard', 'scenes', 'scenesCsv', 'edl'];
  if (statistics) files.push('statistics');
  const stored = await Promise.all(
    files.map(async (file) => [file, await fileLink(c, job.id, file)] as const),
  );
  const thumbnails =
    config.api.publicUrl + signLink(config.links, thumbnailsPath('/v1', job.id), c.var.caller);
  return { ...links, thumbnails, ...Object.fromEntries(stored) };
}

/** A link to one of the files that a video task was published with. */
export function fileLink(c: ApiContext, jobId: string, file: VideoFile): Promise<string> {
  const { storage, ttlSeconds: expiresInSeconds } = linkMaker(c);
  const { path: filename, contentType } = videoFiles[file];
  const disposition = contentType.startsWith('image/') ? 'inline' : 'attachment';
  return storage.linkTo(fileUri(c, jobId, file), { expiresInSeconds, filename, contentType, disposition });
}

export function fileUri(c: ApiContext, jobId: string, file: VideoFile): string {
  const [home] = videoKind.outputs(jobId);
  return `s3://${c.var.deps.storage.bucket}/${home}${videoFiles[file].path}`;
}
