import { StorageError } from '@darkroom/storage';
import { expect, it } from 'vitest';
import { failureOf, isOutage, problemOfError } from './failure.ts';

it('a store that does not accept the platform is an outage of ours, one that denies a source is the user’s to know', () => {
  const ours = new StorageError('platform_access', 'The keys have expired.');
  expect(problemOfError(ours)).toMatchObject({
    code: 'storage_access_failed',
    fault: 'ours',
    retryable: true,
  });
  expect(isOutage(problemOfError(ours))).toBe(true);
  expect(failureOf(ours, true).nonRetryable).toBe(false);
  const theirs = new StorageError('access_denied', 'The store denies s3://somebodys/x.');
  expect(problemOfError(theirs)).toMatchObject({ code: 'source_not_granted', fault: 'yours' });
  expect(failureOf(theirs, false).nonRetryable).toBe(true);
});
