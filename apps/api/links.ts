/** Links that carry their own short-lived signature, for what cannot send a header: a browser's EventSource, a download. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Actor } from './context.ts';

const bearer = z.object({
  owner: z.string(),
  group: z.string().nullable(),
  role: z.enum(['user', 'operator', 'admin']),
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

/** `path` with a signature with which whoever has it may GET that path, as `actor` may, for `ttlSeconds`. */
export function signLink(options: LinkOptions, path: string, actor: Actor, now = Date.now()): string {
  const { owner, group, role } = actor;
  const expires = Math.floor(now / 1000) + options.ttlSeconds;
  const payload = Buffer.from(JSON.stringify({ owner, group, role, expires })).toString('base64url');
  return `${path}?signature=${payload}.${sign(options.secret, 'link', path, payload)}`;
}

/** Whom a link speaks for; undefined when it was made for another path, was changed or has expired. */
export function openLink(
  secret: string,
  path: string,
  signature: string,
  now = Date.now(),
): Actor | undefined {
  const [payload = '', mac = ''] = signature.split('.');
  if (!isSigned(mac, secret, 'link', path, payload)) return undefined;
  const { expires, ...who } = bearer.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  return expires * 1000 > now ? { ...who, priority: 3 } : undefined;
}
