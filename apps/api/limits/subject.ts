/** Whom a request is counted for. */
import { isIPv6 } from 'node:net';
import type { ApiContext } from '../context.ts';

/** The key; of a signed link, the owner it speaks for; of neither, the address. */
export function subjectOf(c: ApiContext, trustedProxies: number): string {
  const caller = c.get('caller');
  if (caller === undefined) return addressOf(c, trustedProxies);
  return caller.keyId === undefined ? `owner ${caller.owner}` : `key ${caller.keyId}`;
}

/** The address of the caller, as the outermost trusted proxy saw it. */
export function addressOf(c: ApiContext, trustedProxies: number): string {
  const peer = c.env?.incoming?.socket?.remoteAddress ?? 'unknown';
  const told = (c.req.header('x-forwarded-for') ?? '').split(',').map((part) => part.trim());
  const path = [...told.filter((part) => part !== ''), peer];
  // The last entry is who called us; each trusted proxy vouches for the one before it.
  return `address ${network(path.at(-1 - Math.min(trustedProxies, path.length - 1)) ?? peer)}`;
}

/** An IPv6 host has a network of 2^64 addresses to itself: they count as one. */
function network(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(bare)) return bare.slice(0, 50);
  const [head = '', tail] = bare.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail === undefined) return groups.slice(0, 4).join(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - groups.length - after.length)).fill('0');
  return [...groups, ...zeros, ...after].slice(0, 4).join(':');
}
