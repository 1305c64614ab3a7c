/** From a request to what is to be made: whether it may be asked for, of which tiles, and what it will take. */
import { type CutoutQuery, type CutoutRequest, ProblemError } from '@darkroom/contract';
import type { Asked, Estimate } from '@darkroom/estimates';
import type { CutoutCall } from '@darkroom/sky/make/call.ts';
import { requireFitting, requireScale, requireWithinLimits } from '@darkroom/sky/realtime/plan.ts';
import { resolveRequest } from '@darkroom/sky/realtime/request.ts';
import { circleAround } from '@darkroom/sky/sphere/circle.ts';
import { toVector, type Vector } from '@darkroom/sky/sphere/vector.ts';
import {
  centredOn,
  chosenTiles,
  missingBands,
  sourcesOf,
  surveyOfCall,
  wantsNeighbours,
} from '@darkroom/sky/survey/choose.ts';
import { mayRead } from '@darkroom/sky/survey/definition/access.ts';
import { degreesOf } from '@darkroom/sky/survey/definition/definition.ts';
import { getSurvey, type Survey } from '@darkroom/sky/survey/records/surveys.ts';
import { findTiles, nearestCovered } from '@darkroom/sky/survey/records/tiles.ts';
import type { Actor, ApiDeps } from '../context.ts';

export interface PlannedCutout {
  readonly request: CutoutRequest;
  readonly call: CutoutCall;
  /** Of one plane of one band. */
  readonly features: { readonly pixels: number; readonly source: number; readonly tiles: number };
  readonly estimate: Estimate;
}

type PlanDeps = Pick<ApiDeps, 'config' | 'records' | 'cutting'>;

/** What a request says, and its survey. Throws `unknown_survey`, `survey_not_granted`, `validation_failed`, `unknown_band`, `records_unavailable`. */
export async function readRequest(
  { records }: Pick<PlanDeps, 'records'>,
  caller: Actor,
  query: CutoutQuery,
): Promise<{ readonly survey: Survey; readonly request: CutoutRequest }> {
  const survey = await getSurvey(records.db, query.survey);
  if (survey === undefined) throw new ProblemError('unknown_survey', `There is no survey ${query.survey}.`);
  const { definition } = survey;
  if (!mayRead(definition, caller))
    throw new ProblemError('survey_not_granted', `${definition.name} is for its groups alone.`);
  return { survey, request: resolveRequest(query, definition) };
}

/** `understood` is told of the request once it can be read. Throws as {@link readRequest}, `no_coverage`, `cutout_too_large`. */
export async function planCutout(
  deps: PlanDeps,
  caller: Actor,
  query: CutoutQuery,
  understood: (request: CutoutRequest) => void,
): Promise<PlannedCutout> {
  const { config, records, cutting } = deps;
  const { survey, request } = await readRequest(deps, caller, query);
  const { definition } = survey;
  understood(request);
  const centre = toVector(request.ra, request.dec);
  const { survey: name, bands } = request;
  const at = await findTiles(records.db, { survey: name, bands, centre });
  const missing = missingBands(request, at);
  if (missing.length > 0) throw await noCoverage(deps, request, missing, centre);
  const centred = centredOn(request, at);
  const { scale, extent } = centred;
  requireScale(request, scale);
  const limits = limitsOf(survey, config);
  const expected = (of: Asked): Estimate => cutting.estimates.estimate(of);
  await cutting.estimates.ready();
  // Before the tiles of a large area are looked for.
  requireWithinLimits(request, { scale, tiles: 1 }, limits, expected);
  const found = wantsNeighbours(request, centred)
    ? await findTiles(records.db, { survey: name, bands, centre, area: circleAround(centre, centred.reach) })
    : at;
  const chosen = chosenTiles(request, centred, found).flat();
  const { pixels, source } = extent;
  const features = { pixels, source, tiles: chosen.length / bands.length };
  return {
    request,
    features,
    estimate: requireFitting(request, { scale, tiles: features.tiles }, limits, expected),
    call: {
      request,
      survey: surveyOfCall(definition, bands),
      sources: chosen.flatMap((tile) => sourcesOf(tile, request)),
    },
  };
}

const limitsOf = ({ definition: { limits } }: Survey, { cutouts }: PlanDeps['config']) => ({
  degrees: degreesOf(limits.size),
  pixels: limits.pixels,
  allPixels: cutouts.pixels,
  bytes: cutouts.bytes,
  seconds: cutouts.deadlineSeconds,
  memoryBytes: cutouts.memoryBytes,
});

async function noCoverage(
  { records }: PlanDeps,
  { survey, ra, dec, bands }: CutoutRequest,
  missing: readonly string[],
  place: Vector,
): Promise<ProblemError> {
  const which = missing.length < bands.length ? `band ${missing.join(', ')} of ${survey}` : survey;
  const nearest = await nearestCovered(records.db, { survey, bands: missing, place });
  const rounded = (degrees: number): number => Number(degrees.toFixed(6));
  return new ProblemError(
    'no_coverage',
    nearest === undefined
      ? `There is nothing of ${which} anywhere.`
      : `There is nothing of ${which} at ${ra}, ${dec}; the nearest place that is covered is ${rounded(nearest.distance)}° away.`,
    {
      ...(nearest !== undefined && {
        suggestion: {
          ra: rounded(nearest.ra),
          dec: rounded(nearest.dec),
          degrees: rounded(nearest.distance),
        },
      }),
    },
  );
}
