/** Tells who calls: by key, or by a signed link. */
import { hash } from 'node:crypto';
import { ProblemError } from '@darkroom/contract';
import { findKey, isKeyValid, type Records, type Role } from '@darkroom/records';
import type { MiddlewareHandler } from 'hono';
import type { Actor, ApiContext, ApiEnv } from '../context.ts';
import { linkedPath, openLink } from '../signed/links.ts';
import { renewalIn } from '../streaming/sse.ts';

/** How long a key's owner is remembered; a revoked key works no longer than this. */
const rememberedMs = 30_000;
const rememberedKeys = 10_000;

/** Whose key it is; undefined if it is no valid one. */
export interface KeyLookup {
  /** Tells `stranger` of a key that was not found here before, lately, which is looked up unless that throws. */
  (key: string, stranger?: () => void): Promise<Actor | undefined>;
  /** Whether the key of this id is there and not revoked. */
  holds(keyId: string): Promise<boolean>;
}

/** Counts a request of somebody who has not shown a key that is known. Throws `rate_limited`. */
export type CountStranger = (c: ApiContext) => void;

/**
 * Sets `caller`, except on public paths. A key comes as `Authorization: Bearer KEY` or as the bare value of that header;
 * a link (`?signature=`) is good for GET on the path it was made for, as long as the key it was made with. Throws `unauthorized`; `rate_limited` before a key that is not
 * known here is looked up.
 */
export function authentication(
  lookup: KeyLookup,
  options: {
    readonly linkSecret: string;
    readonly isPublic: (path: string) => boolean;
    readonly stranger: CountStranger;
  },
): MiddlewareHandler<ApiEnv> {
  const holds = async ({ keyId }: Actor): Promise<boolean> =>
    keyId === undefined || (await lookup.holds(keyId));
  return async (c, next) => {
    if (options.isPublic(c.req.path)) return next();
    const header = c.req.header('authorization');
    const signature = c.req.query('signature');
    if (header === undefined && signature !== undefined) {
      const reading = c.req.method === 'GET' || c.req.method === 'HEAD';
      const renewal = renewalIn(c.req.header('last-event-id'));
      const path = linkedPath(c.req.path, c.req.url);
      const caller = reading ? openLink(options.linkSecret, path, signature, { renewal }) : undefined;
      if (caller === undefined || !(await holds(caller))) {
        options.stranger(c);
        throw new ProblemError('unauthorized', 'The link has expired or was changed; ask for a new one.');
      }
      c.set('caller', caller);
      c.set('keyHolds', () => holds(caller));
      return next();
    }
    const caller = await callerOf(c, lookup, options.stranger);
    c.set('caller', caller);
    c.set('keyHolds', () => holds(caller));
    return next();
  };
}

/** Whose key the request carries. Throws `unauthorized`, and what `stranger` throws. */
export async function callerOf(
  c: ApiContext,
  lookup: KeyLookup,
  stranger: CountStranger = () => {},
): Promise<Actor> {
  const key = c.req
    .header('authorization')
    ?.replace(/^Bearer\s+/i, '')
    .trim();
  if (!key) {
    stranger(c);
    throw new ProblemError('unauthorized', 'The request has no Authorization header.');
  }
  const caller = await lookup(key, () => stranger(c));
  if (caller === undefined) throw new ProblemError('unauthorized', 'The key is not known, or was revoked.');
  return caller;
}

/** Looks keys up in the records, and remembers found ones (by digest) for half a minute. */
export function rememberingLookup(records: Records): KeyLookup {
  const remembered = new Map<
    string,
    { readonly actor: Promise<Actor | undefined>; readonly until: number }
  >();
  // Kept when what is remembered is out of date: it was a key, and most likely still is.
  const digestOf = (key: string): string => hash('sha256', key, 'base64');
  const find = async (key: string, stranger?: () => void): Promise<Actor | undefined> => {
    const digest = digestOf(key);
    const known = remembered.get(digest);
    if (known === undefined) stranger?.();
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
  const valid = new Map<string, { readonly answer: Promise<boolean>; readonly until: number }>();
  const holds = async (keyId: string): Promise<boolean> => {
    const known = valid.get(keyId);
    if (known !== undefined && known.until > Date.now()) return known.answer;
    const answer = isKeyValid(records.db, keyId);
    if (valid.size >= rememberedKeys) valid.clear();
    valid.set(keyId, { answer, until: Date.now() + rememberedMs });
    answer.catch(() => valid.delete(keyId));
    return answer;
  };
  return Object.assign(find, { holds });
}

async function findActor(records: Records, key: string): Promise<Actor | undefined> {
  const row = await findKey(records.db, key);
  if (row === undefined) return undefined;
  const { id, owner, group, role, priority } = row;
  return { keyId: id, owner, group, role: role as Role, priority };
}
