/** Where results may be delivered to: what a URI names, and to whom it was granted. */
import { ProblemError } from '@darkroom/contract';
import type { Config } from '@darkroom/platform';
import { StorageError } from '../connection/errors.ts';
import { isGranted } from '../names/grants.ts';
import { parsePrefix } from '../names/uri.ts';

/** Whose job it is. */
export interface TargetOwner {
  readonly owner: string;
  readonly group: string | null;
}

type TargetConfig = Pick<Config, 'grants' | 'deliveryDirectories' | 'home'> & {
  readonly s3: Pick<Config['s3'], 'bucket'>;
};

/** A place that was granted. `uri` ends in a slash; what is delivered lies under it. */
export type Target =
  | { readonly kind: 'prefix'; readonly uri: string }
  | {
      readonly kind: 'directory';
      readonly uri: string;
      /** The operator's own path: its links are followed. */
      readonly root: string;
      /** Folders below it that users may have made: no link is followed in these. */
      readonly below: readonly string[];
      /** Folder of the platform itself, which is no target whatever was granted. */
      readonly home: string;
    };

/** Bytes of a prefix: the paths of files are to fit into a key behind it. */
const prefixBytes = 512;

/**
 * The place that `uri` names: `s3://bucket/prefix/` under a prefix that was granted for writing, or `file:///directory/` under an allowed
 * directory. Nothing is looked at but names. Throws ProblemError `validation_failed` where it is neither, `target_not_granted`.
 */
export function grantedTarget(uri: string, who: TargetOwner, config: TargetConfig): Target {
  return uri.startsWith('file:') ? directoryAt(uri, who, config) : prefixAt(uri, who, config);
}

const refused = (uri: string, why: string): ProblemError =>
  new ProblemError('target_not_granted', `${uri} is not a target of this key: ${why}.`);

const unreadable = (uri: string, why: string, cause?: unknown): ProblemError =>
  new ProblemError('validation_failed', `${JSON.stringify(uri)} cannot be delivered to: ${why}.`, {
    cause,
    errors: [{ pointer: '/deliverTo', detail: 'has the form s3://bucket/prefix/ or file:///directory/' }],
  });

function prefixAt(uri: string, { owner, group }: TargetOwner, { grants, s3 }: TargetConfig): Target {
  const { bucket, key } = readPrefix(uri);
  if (Buffer.byteLength(key) > prefixBytes)
    throw unreadable(uri, `the prefix is longer than ${prefixBytes} bytes`);
  if (bucket === s3.bucket)
    throw refused(uri, 'the bucket is the platform’s own, whose objects go with their jobs');
  if (!isGranted(uri, { owner, groups: group === null ? [] : [group] }, grants, 'write'))
    throw refused(uri, 'it is under no prefix that was granted for writing');
  return { kind: 'prefix', uri };
}

function readPrefix(uri: string): { bucket: string; key: string } {
  try {
    return parsePrefix(uri);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw unreadable(uri, error.message.replace(/\.$/, ''), error);
  }
}

const placeholder = '{owner}';

function directoryAt(uri: string, who: TargetOwner, { deliveryDirectories, home }: TargetConfig): Target {
  const segments = segmentsOf(uri);
  for (const allowed of deliveryDirectories) {
    const { owner, group, everyone, path } = allowed;
    const isNamed =
      everyone === true ||
      (owner !== undefined && owner === who.owner) ||
      (group !== undefined && group === who.group);
    if (!isNamed) continue;
    const parts = path.slice(1).split('/');
    const mine = parts.map((part) => (part === placeholder ? folderNameOf(who.owner) : part));
    if (!mine.every((part, index) => part !== undefined && part === segments[index])) continue;
    const fixed = parts.includes(placeholder) ? parts.indexOf(placeholder) : parts.length;
    const root = `/${segments.slice(0, fixed).join('/')}`;
    return { kind: 'directory', uri, root, below: segments.slice(fixed), home };
  }
  throw refused(uri, 'it is under no directory that was allowed (DELIVERY_DIRECTORIES)');
}

/** An owner as a folder; undefined for names that are no plain ones: such an owner has no folder of that kind. */
const folderNameOf = (owner: string): string | undefined =>
  /^[\p{L}\p{N}_][\p{L}\p{N}_.@+-]{0,63}$/u.test(owner) ? owner : undefined;

/** The folders of `file:///a/b/`. A `%41` is decoded, but stands for no slash. */
function segmentsOf(uri: string): string[] {
  if (!uri.startsWith('file:///') || !uri.endsWith('/'))
    throw unreadable(uri, 'a directory is written file:///directory/, absolute and with a closing slash');
  if (/[?#\\]/.test(uri)) throw unreadable(uri, 'it has one of ? # \\, which are written %3F %23 %5C');
  const path = uri.slice('file:///'.length, -1);
  const segments = path.split('/').map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch (error) {
      throw unreadable(uri, `${JSON.stringify(segment)} is not percent-encoded as it should be`, error);
    }
  });
  const wrong = segments.find((segment) => !isPlainName(segment));
  if (wrong !== undefined)
    throw unreadable(uri, `it has the folder ${JSON.stringify(wrong)}, which is no plain name`);
  return segments;
}

/** Whether a name leads nowhere but to what bears it in its folder. */
export const isPlainName = (name: string): boolean =>
  name !== '' &&
  name !== '.' &&
  name !== '..' &&
  name.isWellFormed() &&
  !/[/\p{Cc}]/u.test(name) &&
  Buffer.byteLength(name) <= 255;
