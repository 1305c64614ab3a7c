/** What a job of cutouts asks for, as the surveys are now. */
import { type CutoutsOptions, ProblemError } from '@darkroom/contract';
import type { Db } from '@darkroom/records';
import { mayRead, type Reader } from '../../survey/definition/access.ts';
import { getSurvey, type Survey } from '../../survey/records/surveys.ts';
import { type CutoutTemplate, resolveSets, surveysOf } from './sets.ts';

export interface Asked {
  readonly sets: readonly CutoutTemplate[];
  /** Those that the sets are of, by name. */
  readonly surveys: ReadonlyMap<string, Survey>;
}

/**
 * The parameter sets of a job, all of which `reader` may have. Throws ProblemError `survey_not_granted`, and `unknown_survey`, `unknown_band`,
 * `validation_failed`, which name the set.
 */
export async function askedOf(db: Db, reader: Reader, options: CutoutsOptions): Promise<Asked> {
  const surveys = new Map<string, Survey>();
  for (const name of surveysOf(options)) {
    const survey = await getSurvey(db, name);
    if (survey !== undefined) surveys.set(name, survey);
  }
  const closed = [...surveys.values()].filter(({ definition }) => !mayRead(definition, reader));
  if (closed.length > 0) {
    const names = closed.map(({ name }) => name).join(', ');
    throw new ProblemError('survey_not_granted', `${names}: for members of its groups alone.`);
  }
  return { sets: resolveSets(options, (name) => surveys.get(name)?.definition), surveys };
}
