/** The parameter sets of a job of cutouts, each with all that it leaves open filled in; with a row it is a request like any other. */
import { type CutoutRequest, type CutoutSet, type CutoutsOptions, ProblemError } from '@darkroom/contract';
import { parseSize } from '../../cut/request.ts';
import { resolveRequest } from '../../realtime/request.ts';
import type { PlacelessRequest } from '../../survey/choose.ts';
import type { SurveyDefinition } from '../../survey/definition/definition.ts';
import type { CutoutRow } from './rows.ts';

/** What is wanted of every position. */
export type CutoutTemplate = PlacelessRequest;

/** What stands for every position while there is none. */
const anywhere = { ra: '0', dec: '0' };

/**
 * The job's parameter sets in their order; one where it has none. Throws ProblemError `unknown_survey`, `unknown_band`, `validation_failed`, which
 * name the set and its field.
 */
export function resolveSets(
  options: CutoutsOptions,
  surveyOf: (name: string) => SurveyDefinition | undefined,
): readonly CutoutTemplate[] {
  const { sets, onError: _, deliverTo: __, pack: ___, ...shared } = options;
  return (sets ?? [{}]).map((set: CutoutSet, i) => {
    const query = { ...shared, ...given(set), ...anywhere };
    const survey = surveyOf(query.survey);
    const where = sets === undefined ? '' : `/sets/${i}`;
    if (survey === undefined)
      throw problemAt(where, new ProblemError('unknown_survey', `There is no survey ${query.survey}.`));
    try {
      const { ra: ___, dec: ____, ...template } = resolveRequest(query, survey);
      return template;
    } catch (error) {
      throw error instanceof ProblemError ? problemAt(where, error) : error;
    }
  });
}

/** The names of all surveys that a job is of. */
export const surveysOf = ({ survey, sets }: Pick<CutoutsOptions, 'survey' | 'sets'>): readonly string[] => [
  ...new Set(sets === undefined ? [survey] : sets.map((set) => set.survey ?? survey)),
];

/** The request for the cutout of a row: the same, byte for byte as JSON, as if it had been asked for alone. */
export function requestAt(
  { survey, size, ...rest }: CutoutTemplate,
  { ra, dec, size: own }: Pick<CutoutRow, 'ra' | 'dec' | 'size'>,
): CutoutRequest {
  // The order is that of resolveRequest: digests are of it.
  return { survey, ra, dec, size: own === null ? size : parseSize(own), ...rest };
}

/** What is not there changes nothing. */
const given = <Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: NonNullable<Fields[Name]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<
    Record<keyof Fields, never>
  >;

/** The problem of a request, as one of the parameter set that it was made of. */
function problemAt(set: string, { code, message, errors }: ProblemError): ProblemError {
  const detail = set === '' ? message : `Parameter set ${set}: ${message}`;
  return new ProblemError(code, detail, {
    ...(errors !== undefined && {
      errors: errors.map((error) => ({ ...error, pointer: error.pointer.replace(/^\/query/, set) })),
    }),
  });
}
