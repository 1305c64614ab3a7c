/** Tells who calls: by key, or by a signed link. */
import { createHash } from 'node:crypto';
import { ProblemError } from '@darkroom/contract';
import { findKey, type Records, type Role } from '@darkroom/records';
import type { MiddlewareHandler } from 'hono';
import type { Actor, ApiContext, ApiEnv } from '../context.ts';
import { openLink } from '../links.ts';

/** How long a key's owner is remembered; a revoked key works no longer than this. */
const rememberedMs = 30_000;
const rememberedKeys = 10_000;

/** Whose key it is; undefined if it is no valid one. */
export type KeyLookup = (key: string) => Promise<Actor | undefined>;

/**
 * Sets `caller`, except on public paths. A key comes as `Authorization: Bearer KEY` or as the bare value of that header;
 * a link (`?signature=`) is good for GET on the path it was made for. Throws `unauthorized`.
 */
export function authentication(
  lookup: KeyLookup,
  options: { readonly linkSecret: string; readonly isPublic: (path: string) => boolean },
): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    if (options.isPublic(c.req.path)) return next();
    const header = c.req.header('authorization');
    const signature = c.req.query('signature');
    if (header === undefined && signature !== undefined) {
      const reading = c.req.method === 'GET' || c.req.method === 'HEAD';
      const caller = reading ? openLink(options.linkSecret, c.req.path, signature) : undefined;
      if (caller === undefined) {
        throw new ProblemError('unauthorized', 'The link has expired or was changed; ask for a new one.');
      }
      c.set('caller', caller);
      return next();
    }
    const caller = await callerOf(c, lookup);
    c.set('caller', caller);
    return next();
  };
}

/** Whose key the request carries. Throws `unauthorized`. */
export async function callerOf(c: ApiContext, lookup: KeyLookup): Promise<Actor> {
  const key = c.req
    .header('authorization')
    ?.replace(/^Bearer\s+/i, '')
    .trim();
  if (!key) throw new ProblemError('unauthorized', 'The request has no Authorization header.');
  const caller = await lookup(key);
  if (caller === undefined) throw new ProblemError('unauthorized', 'The key is not known, or was revoked.');
  return caller;
}

/** Looks keys up in the records, and remembers found ones (by digest) for half a minute. */
export function rememberingLookup(records: Records): KeyLookup {
  const remembered = new Map<
    string,
    { readonly actor: Promise<Actor | undefined>; readonly until: number }
  >();
  return async (key) => {
    const digest = createHash('sha256').update(key).digest('base64');
    const known = remembered.get(digest);
    if (known !== undefined && known.until > Date.now()) return known.actor;
    const actor = findActor(records, key);
    if (remembered.size >= rememberedKeys) remembered.clear();
    remembered.set(digest, { actor, until: Date.now() + rememberedMs });
    try {
      const found = await actor;
      if (found === undefined) remembered.delete(digest);
      return found;
    } catch (error) {
      remembered.delete(digest);
      throw error;
    }
  };
}

async function findActor(records: Records, key: string): Promise<Actor | undefined> {
  const row = await findKey(records.db, key);
  if (row === undefined) return undefined;
  const { id, owner, group, role, priority } = row;
  return { keyId: id, owner, group, role: role as Role, priority };
}
