import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StorageError } from '../connection/errors.ts';
import { formatUri, parsePrefix, parseUri, resolveTarget } from './uri.ts';

const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !/[/\p{Cc}]/u.test(text) && text !== '.' && text !== '..');
const key = fc
  .array(segment, { minLength: 1, maxLength: 5 })
  .map((segments) => segments.join('/'))
  .filter((text) => Buffer.byteLength(text) <= 1024);
const bucket = fc.stringMatching(/^[a-z0-9][a-z0-9-]{1,20}[a-z0-9]$/);

describe('s3 uris', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(bucket, key, (b, k) => {
        expect(parseUri(formatUri({ bucket: b, key: k }))).toEqual({ bucket: b, key: k });
      }),
    );
  });

  it('never hold a segment that walks up, whatever is given', () => {
    const pieces = fc.array(fc.constantFrom('..', '.', '', 'a', 'b c', '...', '%2e%2e'), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(pieces, (segments) => {
        const bad = segments.some((text) => text === '..' || text === '.' || text === '');
        const read = () => parseUri(`s3://bucket/${segments.join('/')}`);
        if (bad) expect(read).toThrow(StorageError);
        else expect(read().key.split('/')).toEqual(segments);
      }),
    );
  });

  it.each([
    'http://bucket/key',
    's3://bucket',
    's3://bucket/',
    's3:///key',
    's3://Bucket/key',
    's3://a..b/key',
    's3://ab/key',
    's3://bucket/a/../b',
    's3://bucket//a',
    's3://bucket/a/',
    's3://bucket/a\nb',
    's3://bucket/a\u0000',
    's3://bucket/\ud800',
    `s3://bucket/${'x'.repeat(1025)}`,
  ])('refuses %j', (uri) => {
    expect(() => parseUri(uri)).toThrow(expect.objectContaining({ code: 'invalid_uri', retryable: false }));
  });

  it('reads prefixes with their closing slash only', () => {
    expect(parsePrefix('s3://bucket/')).toEqual({ bucket: 'bucket', key: '' });
    expect(parsePrefix('s3://bucket/a/b/')).toEqual({ bucket: 'bucket', key: 'a/b/' });
    expect(() => parsePrefix('s3://bucket/a')).toThrow(StorageError);
    expect(() => parsePrefix('s3://bucket//')).toThrow(StorageError);
  });

  it('takes a bare key as one of the own bucket', () => {
    expect(resolveTarget('mine', 'a/b').uri).toBe('s3://mine/a/b');
    expect(resolveTarget('mine', 's3://other/a').bucket).toBe('other');
    expect(() => resolveTarget('mine', '/a')).toThrow(StorageError);
  });
});
