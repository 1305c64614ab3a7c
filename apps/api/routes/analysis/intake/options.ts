/** Options of an analysis, read by the schema of what is analysed. */
import {
  type AnalysisOptions,
  analysisOptions,
  analysisRequest,
  ProblemError,
  type VideoOptions,
  videoOptions,
} from '@darkroom/contract';
import type { Media } from '../media.ts';

/** Options as they were given, without defaults. */
export type OptionValues = Readonly<Record<string, unknown>>;

const forVideosAlone = new Set(
  Object.keys(videoOptions.shape).filter((name) => !Object.hasOwn(analysisOptions.shape, name)),
);

/** Values of the options of videos that say no more than their absence. */
const absence: OptionValues = { ...videoOptions.parse({}), sampleEvery: null, statistics: false };

/** Without the options of videos that say nothing: clients that were generated send every default. */
const significant = (given: OptionValues): OptionValues =>
  Object.fromEntries(
    Object.entries(given).filter(([name, value]) => !forVideosAlone.has(name) || value !== absence[name]),
  );

/**
 * The options, defaults filled in. Throws ProblemError `validation_failed` that names the options of videos that were given for a photo,
 * and ZodError for wrong values.
 */
export function optionsOf(media: Media, given: OptionValues): AnalysisOptions | VideoOptions {
  const options = significant(given);
  if (media === 'video') return videoOptions.parse(options);
  const foreign = Object.keys(options).filter((name) => forVideosAlone.has(name));
  if (foreign.length === 0) return analysisOptions.parse(options);
  const detail = 'is an option of videos alone, and this is a photo';
  throw new ProblemError('validation_failed', `${foreign.join(', ')}: ${detail}.`, {
    errors: foreign.map((name) => ({ pointer: `/${name}`, detail })),
  });
}

/** A request in JSON: where the source lies, and the options as they were given. */
export interface SourceRequest {
  readonly source: string | undefined;
  readonly upload: string | undefined;
  readonly given: OptionValues;
  /**
   * The options with defaults, for telling whether two requests are the same before the source was looked at. Those of videos are left
   * out where they are the default, so that they make no difference to photos.
   */
  readonly canonical: OptionValues;
}

/** Throws ZodError. */
export function readRequest(body: unknown): SourceRequest {
  const { source, upload, ...options } = analysisRequest.parse(body);
  const given = Object.entries(body as object).filter(([name]) => Object.hasOwn(options, name));
  return {
    source,
    upload,
    given: Object.fromEntries(given),
    canonical: significant(options),
  };
}
