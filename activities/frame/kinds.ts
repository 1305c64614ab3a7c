/** What the definition of a job's kind says of it. */
import { longestActivity } from '@darkroom/contract';
import type { Kind, Kinds } from '@darkroom/records';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { FrameDeps } from './attempt/attempt.ts';

export function kindOf(kinds: Kinds, kind: string): Kind {
  const definition = kinds[kind];
  if (definition === undefined) throw new TypeError(`This worker does not know the kind ${kind}.`);
  return definition;
}

/** Stage names of a kind, in order. */
export const stagesOf = (kinds: Kinds, kind: string): string[] =>
  kindOf(kinds, kind).stages.map((stage) => stage.name);

/** Key prefixes of what a job makes; the manifest lies under the first. */
export const outputsOf = (kinds: Kinds, kind: string, jobId: string): readonly [string, ...string[]] =>
  kindOf(kinds, kind).outputs(jobId);

/** The same as URIs: an object that lies under none of them was delivered to its user, or is somebody else's. */
export const outputUrisOf = (
  { kinds, storage }: Pick<FrameDeps, 'kinds' | 'storage'>,
  kind: string,
  jobId: string,
): string[] => outputsOf(kinds, kind, jobId).map((key) => `s3://${storage.bucket}/${key}`);

/** Whether activities of a kind may take longer than those of any kind may that says nothing: nobody of another kind waits for them to end. */
export const takesHours = (kinds: Kinds, kind: string): boolean =>
  msToNumber(kindOf(kinds, kind).longest ?? longestActivity) > msToNumber(longestActivity);

/** When results of a kind that ends now may be removed; undefined where they are kept. */
export function expiryOf(
  { kinds, config }: Pick<FrameDeps, 'kinds' | 'config'>,
  kind: string,
): Date | undefined {
  const days = config.retention.days[kind] ?? kindOf(kinds, kind).retentionDays ?? Number.POSITIVE_INFINITY;
  return Number.isFinite(days) ? new Date(Date.now() + days * 24 * 3_600_000) : undefined;
}
