/** Options of an analysis, read by the schema of what is analysed. */
import {
  type AnalysisOptions,
  analysisOptions,
  analysisRequest,
  ProblemError,
  type VideoOptions,
  videoOptions,
} from '@darkroom/contract';
import type { Media } from './analysis-media.ts';

/** Options as they were given, without defaults. */
export type Given = Readonly<Record<string, unknown>>;

const forVideosAlone = new Set(
  Object.keys(videoOptions.shape).filter((name) => !Object.hasOwn(analysisOptions.shape, name)),
);

/**
 * The options, defaults filled in. Throws ProblemError `validation_failed` that names the options of videos that were given for a photo,
 * and ZodError for wrong values.
 */
export function optionsOf(media: Media, given: Given): AnalysisOptions | VideoOptions {
  if (media === 'video') return videoOptions.parse(given);
  const foreign = Object.keys(given).filter((name) => forVideosAlone.has(name));
  if (foreign.length === 0) return analysisOptions.parse(given);
  const detail = 'is an option of videos alone, and this is a photo';
  throw new ProblemError('validation_failed', `${foreign.join(', ')}: ${detail}.`, {
    errors: foreign.map((name) => ({ pointer: `/${name}`, detail })),
  });
}

/** A request in JSON: where the source lies, and the options as they were given. */
export interface SourceRequest {
  readonly source: string | undefined;
  readonly upload: string | undefined;
  readonly given: Given;
  /**
   * The options with defaults, for telling whether two requests are the same before the source was looked at. Those of videos are left
   * out where they are the default, so that they make no difference to photos.
   */
  readonly canonical: Given;
}

/** Throws ZodError. */
export function readRequest(body: unknown): SourceRequest {
  const { source, upload, ...options } = analysisRequest.parse(body);
  const given = Object.entries(body as object).filter(([name]) => Object.hasOwn(options, name));
  const defaults: Given = videoOptions.parse({});
  const canonical = Object.entries(options).filter(
    ([name, value]) => !forVideosAlone.has(name) || value !== defaults[name],
  );
  return {
    source,
    upload,
    given: Object.fromEntries(given),
    canonical: Object.fromEntries(canonical),
  };
}
