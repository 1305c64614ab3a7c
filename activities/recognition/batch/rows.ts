/** The pictures that a list names, or that lie under a prefix. */
import { type BatchPicture, ProblemError } from '@darkroom/contract';
import type { Attempt, ListedObject, PlanWork } from '@darkroom/frame';
import { isGranted, parseUri } from '@darkroom/storage';
import { z } from 'zod';

/** Raised when the same list would be read as other items. */
const version = 1;

/** An object of a listing as `planItems` has it. */
const listed = z
  .object({ uri: z.string(), etag: z.string(), bytes: z.int() } satisfies Partial<
    Record<keyof ListedObject, z.ZodType>
  >)
  .transform(({ uri, etag, bytes }): BatchPicture => ({ uri, etag, bytes }));

/** A row of a list; what else stands in it is its user's. ETag and size are not known before it is pinned. */
const named = z
  .object({ uri: z.string().max(4096).refine(isUri, 'has the form s3://bucket/key') })
  .transform(({ uri }): BatchPicture => ({ uri, etag: '', bytes: 0 }));

/** How a list or listing is planned: `source` is what the stage is made of. */
export function listedPictures(attempt: Attempt, source: object | null): PlanWork<BatchPicture> {
  const common = { itemStage: 'predict', version, badRow: 'item fails' } as const;
  if (source !== null && 'format' in source && source.format === 'listing') return { ...common, row: listed };
  const { deps, job } = attempt;
  const who = { owner: job.owner, groups: job.group === null ? [] : [job.group] };
  return {
    ...common,
    row: named,
    async pin({ uri }, signal) {
      if (!isGranted(uri, who, deps.config.grants, 'read'))
        throw new ProblemError(
          'source_not_granted',
          `${uri} is not under a prefix that ${job.owner} may read.`,
        );
      const { etag, size: bytes } = await deps.storage.head(uri, { signal });
      return { uri, etag, bytes };
    },
  };
}

function isUri(text: string): boolean {
  try {
    parseUri(text);
    return true;
  } catch {
    return false;
  }
}
