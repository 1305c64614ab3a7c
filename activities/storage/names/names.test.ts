import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentDisposition, safeName } from './names.ts';
import { formatUri, parseUri } from './uri.ts';

const anyName = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc
    .array(
      fc.constantFrom(
        '..',
        '/',
        '\\',
        '.',
        ' ',
        '\u202e',
        '\u200f',
        'é',
        'e\u0301',
        '\u0301',
        'x',
        '.jpg',
        '\ud800',
        '😀',
      ),
      { maxLength: 300 },
    )
    .map((parts) => parts.join('')),
);

describe('safeName', () => {
  it('is safe, bounded, stable and never empty, whatever is given', () => {
    fc.assert(
      fc.property(anyName, (filename) => {
        const name = safeName(filename);
        expect(name).not.toBe('');
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
        expect(name).not.toMatch(/[/\\\p{Cc}\p{Cf}]/u);
        expect(name).not.toMatch(/^[.\s]|\s$/u);
        expect(name.isWellFormed()).toBe(true);
        expect(safeName(name)).toBe(name);
        expect(parseUri(formatUri({ bucket: 'bucket', key: `in/${name}` })).key).toBe(`in/${name}`);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\photos\\cat.jpg', 'cat.jpg'],
    ['.htaccess', 'htaccess'],
    ['  cat 1.jpg ', 'cat 1.jpg'],
    ['ab\u202egpj.exe', 'abgpj.exe'],
    ['a\u0000b\n.png', 'ab.png'],
    ['', 'file'],
    ['...', 'file'],
    ['dir/', 'file'],
    ['Übersicht – 東京.tiff', 'Übersicht – 東京.tiff'],
  ])('%j becomes %j', (given, wanted) => {
    expect(safeName(given)).toBe(wanted);
  });

  it('keeps the extension of a long name', () => {
    const name = safeName(`${'東'.repeat(200)}.jpeg`);
    expect(name).toMatch(/^東+\.jpeg$/);
    expect(Buffer.byteLength(name)).toBeGreaterThan(195);
  });
});

describe('contentDisposition', () => {
  it('cannot be broken out of, and carries the real name', () => {
    fc.assert(
      fc.property(anyName, (filename) => {
        const match = /^attachment; filename="([ -~]*)"; filename\*=UTF-8''([\w.~%!&+^`|$#-]+)$/.exec(
          contentDisposition(filename),
        );
        expect(match?.[1]).not.toMatch(/["\\]/);
        expect(decodeURIComponent(match?.[2] ?? '')).toBe(safeName(filename));
      }),
    );
  });
});
