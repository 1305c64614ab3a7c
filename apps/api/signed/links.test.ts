import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openLink, signLink } from './links.ts';
import { openPage, sealPage } from './pages.ts';

const options = { secret: 'secret', ttlSeconds: 60 };
const ann = { owner: 'ann', group: 'lab', role: 'user', priority: 3 } as const;
const path = '/v1/jobs/1/events';
const now = Date.parse('2026-01-01T00:00:00Z');
const signatureOf = (link: string): string => new URL(link, 'http://x').searchParams.get('signature') ?? '';

test('a link speaks for whom it was made, on its path, until it expires', () => {
  const signature = signatureOf(signLink(options, path, ann, now));
  expect(openLink('secret', path, signature, { now })).toEqual(ann);
  expect(openLink('secret', path, signature, { now: now + 59_000 })).toEqual(ann);
  expect(openLink('secret', path, signature, { now: now + 60_000 })).toBeUndefined();
  expect(openLink('secret', '/v1/jobs/2/events', signature, { now })).toBeUndefined();
  expect(openLink('another secret', path, signature, { now })).toBeUndefined();
});

/** Any text, and texts that are nearly right. */
const nearly = (right: string) =>
  fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(right.length - 1), fc.constantFrom(...'ABab01_-.')).map(([at, character]) => {
      return right.slice(0, at) + character + right.slice(at + 1);
    }),
    fc.nat(right.length - 1).map((length) => right.slice(0, length)),
  );

test('no other text opens a link', () => {
  const right = signatureOf(signLink(options, path, ann, now));
  fc.assert(
    fc.property(nearly(right), (text) => {
      fc.pre(text !== right);
      expect(openLink('secret', path, text, { now })).toBeUndefined();
    }),
  );
});

test('a page token gives back its cursor for the same list, caller and filters alone', () => {
  const part = fc.oneof(fc.string(), fc.constant(undefined));
  fc.assert(
    fc.property(fc.array(part), fc.array(part), fc.string(), (scope, other, cursor) => {
      const token = sealPage('secret', scope, cursor);
      expect(token).toMatch(/^[\w.-]+$/);
      expect(openPage('secret', scope, token, z.string())).toBe(cursor);
      // What JSON writes alike (absent filters) is alike.
      fc.pre(JSON.stringify(scope) !== JSON.stringify(other));
      expect(() => openPage('secret', other, token, z.string())).toThrow('other filters');
    }),
  );
});

test('no other text is a page token', () => {
  const right = sealPage('secret', ['jobs', 'ann'], 'cursor');
  fc.assert(
    fc.property(nearly(right), (text) => {
      fc.pre(text !== right && text !== '');
      expect(() => openPage('secret', ['jobs', 'ann'], text, z.string())).toThrow('changed');
    }),
  );
});

test('a signature for one use is none for another', () => {
  const token = sealPage('secret', ['jobs'], 'cursor');
  expect(openLink('secret', '["jobs"]', token)).toBeUndefined();
});
