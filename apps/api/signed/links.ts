/** Links that carry their own short-lived signature, for what cannot send a header: a browser's EventSource, a download. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Actor } from '../context.ts';

const bearer = z.object({
  owner: z.string(),
  group: z.string().nullable(),
  role: z.enum(['user', 'operator', 'admin']),
  /** The key it was made with: with that one the link is revoked. */
  keyId: z.string().optional(),
  /** Seconds since 1970. */
  expires: z.int(),
});

/** MAC of parts, each kind of use (`purpose`) apart from the others. */
export function sign(secret: string, purpose: string, ...parts: readonly string[]): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify([purpose, ...parts]))
    .digest('base64url');
}

/** Whether `mac` is the one {@link sign} makes; takes the same time for each wrong one. */
export function isSigned(mac: string, secret: string, purpose: string, ...parts: readonly string[]): boolean {
  const wanted = Buffer.from(sign(secret, purpose, ...parts));
  const given = Buffer.from(mac);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

export interface LinkOptions {
  readonly secret: string;
  readonly ttlSeconds: number;
}

/** Paths whose query is part of what a link is good for; of all others it is not. */
const queried = ['/v1/cutouts'];

/** What a link to this address is signed for: its path, and with it the query where that says what is to be given, in one order. */
export function linkedPath(path: string, url: string): string {
  if (!queried.includes(path)) return path;
  const { searchParams } = new URL(url);
  searchParams.delete('signature');
  searchParams.sort();
  return `${path}?${searchParams}`;
}

/** `path` with a signature with which whoever has it may GET that path, as `actor` may, for `ttlSeconds`. */
export function signLink(options: LinkOptions, path: string, actor: Actor, now = Date.now()): string {
  const { owner, group, role, keyId } = actor;
  const expires = Math.floor(now / 1000) + options.ttlSeconds;
  const payload = Buffer.from(JSON.stringify({ owner, group, role, keyId, expires })).toString('base64url');
  return `${path}${path.includes('?') ? '&' : '?'}signature=${payload}.${sign(options.secret, 'link', path, payload)}`;
}

/** Whom a link speaks for; undefined when it was made for another path, was changed, or has expired and was not renewed. */
export function openLink(
  secret: string,
  path: string,
  signature: string,
  { now = Date.now(), renewal }: { readonly now?: number; readonly renewal?: string | undefined } = {},
): Actor | undefined {
  const [payload = '', mac = ''] = signature.split('.');
  if (!isSigned(mac, secret, 'link', path, payload)) return undefined;
  const { expires, keyId, ...who } = bearer.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  if (expires * 1000 <= now && !isRenewed(secret, path, signature, renewal, now)) return undefined;
  return { ...who, ...(keyId !== undefined && { keyId }), priority: 3 };
}

/** A follower of a stream has to come back within this time of what it was told last; a laptop may have slept. */
const renewalSeconds = 24 * 3600;

/**
 * What lets a link that has expired be followed again. An EventSource always connects again to the address it was made with, and can send
 * nothing of its own but the id of the last event: so the server writes this there, to whoever follows the link while it is good.
 */
export function renewLink(secret: string, path: string, signature: string, now = Date.now()): string {
  const until = String(Math.floor(now / 1000) + renewalSeconds);
  return `${until}.${sign(secret, 'renewal', path, signature, until)}`;
}

function isRenewed(
  secret: string,
  path: string,
  signature: string,
  renewal: string | undefined,
  now: number,
): boolean {
  const [until = '', mac = ''] = renewal?.split('.') ?? [];
  return isSigned(mac, secret, 'renewal', path, signature, until) && Number(until) * 1000 > now;
}
