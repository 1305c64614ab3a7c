/** What jobs are made from: where uploads lie, and whether the owner of a job may still read its sources. */
import { createHash } from 'node:crypto';
import { ProblemError } from '@darkroom/contract';
import { type Caller, type CopiedItems, jobsToReadFrom, pagesOfItems } from '@darkroom/records';
import { isGranted } from '@darkroom/storage';
import type { DispatchDeps } from '../index.ts';
import { kindOf } from './receive.ts';

const uploads = 'uploads/';

/** Where an owner's uploads lie in the bucket. Owners may hold any character, so a digest stands for the name. Ends in a slash. */
export function uploadsPrefix(owner: string): string {
  return `${uploads}${createHash('sha256').update(owner).digest('hex').slice(0, 32)}/`;
}

type Owner = Pick<Caller, 'owner' | 'group'>;

/** Where the inputs of all jobs lie. */
const inputRoots = ({ kinds, storage }: Pick<DispatchDeps, 'kinds' | 'storage'>): string[] => [
  ...new Set(Object.values(kinds).map(({ inputs }) => `s3://${storage.bucket}/${inputs('#').split('#')[0]}`)),
];

/** Whether the object was uploaded to the platform. Whose it is was asked at submit, and cannot change. */
export function isUploaded(deps: Pick<DispatchDeps, 'kinds' | 'storage'>, uri: string): boolean {
  return [...inputRoots(deps), `s3://${deps.storage.bucket}/${uploads}`].some((root) => uri.startsWith(root));
}

/**
 * The owner's job whose inputs are among the objects at `uris`: they outlive that job for as long as one that names it as its source is
 * there. Another owner's are not counted: whoever removes a job removes its inputs. Throws `validation_failed` for inputs of several jobs.
 */
export async function sourceJobOf(
  deps: Pick<DispatchDeps, 'kinds' | 'storage' | 'records'>,
  owner: string,
  uris: readonly string[],
): Promise<string | undefined> {
  const roots = inputRoots(deps);
  const ids = uris.flatMap((uri) =>
    roots.filter((root) => uri.startsWith(root)).map((root) => uri.slice(root.length).split('/')[0]!),
  );
  const [first, ...others] = await jobsToReadFrom(deps.records.db, owner, [...new Set(ids)]);
  if (others.length === 0) return first;
  const detail = `The sources are the inputs of ${others.length + 1} jobs; name those of one.`;
  throw new ProblemError('validation_failed', detail, {
    errors: [{ pointer: '/source', detail: 'holds the inputs of several jobs' }],
  });
}

/** Whether a job of that owner may read its source as things are granted now. */
export function mayReadSource(deps: DispatchDeps, { owner, group }: Owner, uri: string): boolean {
  const who = { owner, groups: group === null ? [] : [group] };
  return isUploaded(deps, uri) || isGranted(uri, who, deps.config.grants, 'read');
}

/** Throws `source_not_granted` where a source of the items was granted once and is not now. */
export async function requireSources(
  deps: DispatchDeps,
  owner: Owner,
  kind: string,
  items: CopiedItems,
): Promise<void> {
  const { sourceOf } = kindOf(deps, kind);
  if (sourceOf === undefined) return;
  for await (const page of pagesOfItems(deps.records.db, items))
    for (const { input } of page) {
      const uri = sourceOf(input);
      if (uri === undefined || mayReadSource(deps, owner, uri)) continue;
      throw new ProblemError(
        'source_not_granted',
        `${uri} is not under a prefix that ${owner.owner} may read now.`,
      );
    }
}
