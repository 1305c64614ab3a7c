import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvLine } from './csv.ts';

/** The cells of one line, by the grammar of RFC 4180. */
function parse(line: string): string[] {
  const cells = line.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(?:,|\r\n)/g);
  return [...cells].map(([, quoted, bare = '']) => quoted?.replaceAll('""', '"') ?? bare);
}

describe('csvLine', () => {
  it('quotes where it has to, and ends its line', () => {
    expect(csvLine(['a', 'b,c', 'd"e', 'f\ng', 1.5, -2, null])).toBe('a,"b,c","d""e","f\ng",1.5,-2,\r\n');
  });

  it.each(['=1+1', '+1', '-1', '@sum', '\t=1', '\r=1', '\n=1', '\uff1d1'])('makes %j harmless', (text) => {
    expect(parse(csvLine([text, 'x']))).toEqual([`'${text}`, 'x']);
  });

  it('can be read back', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (values) => {
        const read = parse(csvLine(values));
        expect(read).toHaveLength(values.length);
        read.forEach((cell, i) => {
          expect([values[i], `'${values[i]}`]).toContain(cell);
        });
      }),
    );
  });
});
