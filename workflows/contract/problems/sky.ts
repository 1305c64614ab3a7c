/** What may be wrong with a cutout: where it lies, what of it is wanted, and the tiles it is made of. */
import { limit, ours, type ProblemKind, yours } from './fault.ts';

export const ofSky = {
  unknown_survey: yours(404, 'There is no such survey', 'Choose one of GET /v1/surveys.'),
  survey_not_granted: yours(
    403,
    'This key may not read that survey',
    'Choose another of GET /v1/surveys, or ask the operator for the group that may read it.',
  ),
  unknown_band: yours(
    422,
    'The survey has no such band or plane',
    'Choose among those that `detail` names; GET /v1/surveys has all.',
  ),
  no_coverage: yours(
    404,
    'The survey has no data there',
    'Ask for the position that `suggestion` names, or for another survey.',
  ),
  cutout_too_large: limit(
    422,
    'The cutout takes longer, or is larger, than the answer to one request may be',
    'Ask for the size that `suggestion` names.',
  ),
  unsupported_tile: {
    ...ours(
      500,
      'A tile of the survey is of a kind that cannot be read here',
      'Report it; `detail` says what it is.',
    ),
    retryable: false,
  },
  corrupt_tile: {
    ...ours(
      500,
      'A tile of the survey is damaged',
      'Report it: the operator must replace the file that `detail` names.',
    ),
    retryable: false,
  },
} as const satisfies Record<string, ProblemKind>;
