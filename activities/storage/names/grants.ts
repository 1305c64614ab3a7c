import { parsePrefix, parseUri } from './uri.ts';

export type Access = 'read' | 'write';

/** Who may use what lies under a prefix. A grant that names neither owner, group nor everyone grants nothing. */
export interface Grant {
  owner?: string | undefined;
  group?: string | undefined;
  everyone?: boolean | undefined;
  /** `s3://bucket/prefix/` or `s3://bucket/`; the closing slash may be left out. */
  prefix: string;
  access: 'read' | 'read-write';
}

export interface Grantee {
  owner: string;
  groups: readonly string[];
}

function names(grant: Grant, who: Grantee): boolean {
  if (grant.everyone === true) return true;
  if (grant.owner !== undefined && grant.owner === who.owner) return true;
  return grant.group !== undefined && who.groups.includes(grant.group);
}

function covers(grant: Grant, bucket: string, key: string): boolean {
  const prefix = parsePrefix(grant.prefix.endsWith('/') ? grant.prefix : `${grant.prefix}/`);
  return prefix.bucket === bucket && key.startsWith(prefix.key);
}

/**
 * Whether `who` may read or write the object `uri`, or with a closing slash everything under it. Prefixes match at the
 * borders of segments only: `s3://b/team` does not grant `s3://b/teamother`. Throws StorageError `invalid_uri` for a URI
 * (or a grant's prefix) that cannot be read: a wrong URI is the caller's mistake, not a refusal.
 */
export function isGranted(uri: string, who: Grantee, grants: readonly Grant[], access: Access): boolean {
  const { bucket, key } = uri.endsWith('/') ? parsePrefix(uri) : parseUri(uri);
  return grants.some(
    (grant) =>
      names(grant, who) && (access === 'read' || grant.access === 'read-write') && covers(grant, bucket, key),
  );
}
