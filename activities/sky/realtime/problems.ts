/** What the cutter refuses, as the API, the records and jobs name it. */
import { type ProblemCode, ProblemError } from '@darkroom/contract';
import { StorageError } from '@darkroom/storage';
import { SkyError, type SkyErrorCode } from '../errors.ts';

const codes: Readonly<Record<SkyErrorCode, ProblemCode>> = {
  invalid_fits: 'corrupt_tile',
  truncated_fits: 'corrupt_tile',
  corrupt_tile: 'corrupt_tile',
  unsupported_fits: 'unsupported_tile',
  unsupported_wcs: 'unsupported_tile',
  fits_too_large: 'unsupported_tile',
  source_changed: 'source_changed',
  incompatible_tiles: 'unsupported_tile',
  no_coverage: 'no_coverage',
  invalid_cutout: 'validation_failed',
};

/** The problem behind what making a cutout threw, where that would be the same at the next try; undefined for what passes. */
export function lastingProblem(error: unknown): ProblemError | undefined {
  if (error instanceof ProblemError) return error.problem.retryable ? undefined : error;
  if (isChanged(error))
    return new ProblemError(
      'source_changed',
      `${error.message} The survey has to be indexed again: npm run survey -- index.`,
      { cause: error },
    );
  if (error instanceof SkyError) return new ProblemError(codes[error.code], error.message, { cause: error });
  return undefined;
}

/** Replaced, or removed, since the survey was indexed. */
const isChanged = (error: unknown): error is Error =>
  (error instanceof SkyError || error instanceof StorageError) &&
  (error.code === 'source_changed' || error.code === 'source_not_found');

/** What is told of a failure that might have passed, and did not. */
export function passingProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (!(error instanceof StorageError))
    return new ProblemError('internal', 'The cutout could not be made.', { cause: error });
  const isDenied = error.code === 'platform_access' || error.code === 'access_denied';
  return new ProblemError(isDenied ? 'storage_access_failed' : 'storage_unavailable', error.message, {
    cause: error,
  });
}
