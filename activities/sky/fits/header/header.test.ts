import { describe, expect, it } from 'vitest';
import { Header } from './header.ts';

const parse = (...records: string[]): Header =>
  Header.parse(
    Buffer.from([...records, 'END'].map((record) => record.padEnd(80)).join(''), 'latin1'),
    'a.fits[1]',
  );

describe('values', () => {
  it.each([
    ["OBJECT  = 'NGC 1300'           / name", 'NGC 1300', 'name'],
    ["QUOTED  = 'O''Neill / x '      / a / b", "O'Neill / x", 'a / b'],
    ["EMPTY   = ''", '', ''],
    ["LEADING = '   x   '", '   x', ''],
    ['COUNT   =                  -42 / things', -42, 'things'],
    ['PLUS    = +7', 7, ''],
    ['BIG     = 9007199254740993', 9007199254740993n, ''],
    ['REAL    =              1.5E-03', 0.0015, ''],
    ['DOUBLE  = 1.25D2 / Fortran', 125, 'Fortran'],
    ['SMALL   = -.5d-1', -0.05, ''],
    ['LOWER   = 2.5e+1', 25, ''],
    ['POINT   = 3.', 3, ''],
    ['YES     =                    T', true, ''],
    ['NO      = F / no', false, 'no'],
    ['NONE    =                      / nothing', undefined, 'nothing'],
    ['COMPLEX = (1.0, 2.0)', '(1.0, 2.0)', ''],
    ['ODD     = NaN', 'NaN', ''],
    ["OPEN    = 'not closed", "'not closed", ''],
    ['NOSPACE =5', undefined, '=5'],
  ])('%s', (record, value, comment) => {
    const header = parse(record);
    expect(header.cards[0]).toMatchObject({ value, comment });
    expect(header.value(record.slice(0, 8).trim())).toBe(value);
  });

  it('keeps the text of comments, and keywords that come again', () => {
    const header = parse('COMMENT   one', 'HISTORY two = 2', '', 'COMMENT = 3', 'A       = 1', 'A       = 2');
    expect(header.cards.map(({ keyword, comment }) => [keyword, comment])).toEqual([
      ['COMMENT', '  one'],
      ['HISTORY', 'two = 2'],
      ['', ''],
      ['COMMENT', '= 3'],
      ['A', ''],
      ['A', ''],
    ]);
    expect(header.value('A')).toBe(1);
    expect([...header.keywords()]).toHaveLength(6);
  });

  it('reads HIERARCH keywords, in any case and spacing', () => {
    const header = parse(
      "HIERARCH ESO DET   Out1 NAME = 'x = y'  / it's",
      'HIERARCH x=5',
      'HIERARCH nothing here',
    );
    expect(header.cards[0]).toMatchObject({ keyword: 'ESO DET OUT1 NAME', value: 'x = y', comment: "it's" });
    expect(header.value('X')).toBe(5);
    expect(header.cards[2]).toMatchObject({ keyword: 'HIERARCH', value: undefined });
  });
});

describe('CONTINUE', () => {
  it('joins strings and comments, and keeps all records', () => {
    const header = parse(
      "LONG    = 'It was the &'       / first",
      "CONTINUE  'best of  &'",
      "CONTINUE  'times.' / last",
      'NEXT    = 1',
    );
    expect(header.cards[0]).toMatchObject({ value: 'It was the best of  times.', comment: 'first last' });
    expect(header.cards[0]?.raw).toHaveLength(240);
    expect(header.cards).toHaveLength(2);
  });

  it('is of HIERARCH keywords too', () => {
    expect(parse("HIERARCH A B = 'x&'", "CONTINUE  'y'").value('A B')).toBe('xy');
  });

  it('leaves an ampersand that nothing follows, and a CONTINUE that follows none', () => {
    const header = parse("A       = 'this & that &'", 'B       = 1', "CONTINUE  'lost'", "C       = 'end&'");
    expect(header.value('A')).toBe('this & that &');
    expect(header.value('C')).toBe('end&');
    expect(header.cards[2]).toMatchObject({ keyword: 'CONTINUE', value: undefined });
  });
});

describe('typed values', () => {
  const header = parse(
    "S       = 'x'",
    'I       = 5.0',
    'R       = 0.5',
    'L       = T',
    'N       =',
    'B       = 99999999999999999999',
  );

  it('are given, or what is given instead', () => {
    expect([header.string('S'), header.integer('I'), header.number('R'), header.boolean('L')]).toEqual([
      'x',
      5,
      0.5,
      true,
    ]);
    expect([
      header.string('Q', 'q'),
      header.integer('Q', 1),
      header.number('N', 2),
      header.boolean('Q', false),
    ]).toEqual(['q', 1, 2, false]);
    expect(header.number('B')).toBe(1e20);
  });

  it.each([
    ['I is 5, not a string', () => header.string('I')],
    ['R of a.fits[1] is 0.5, not an integer', () => header.integer('R')],
    ['B of a.fits[1] is 99999999999999999999, not an integer', () => header.integer('B')],
    ['S of a.fits[1] is x, not a number', () => header.number('S', 3)],
    ['S of a.fits[1] is x, not T or F', () => header.boolean('S')],
    ['Q of a.fits[1] is missing', () => header.number('Q')],
  ])('%s', (message, get) => {
    expect(get).toThrow(expect.objectContaining({ code: 'invalid_fits' }));
    expect(get).toThrow(message.replace('I is', 'I of a.fits[1] is'));
  });
});

describe('changes', () => {
  const header = parse('A       = 1 / a', 'B       = 2', 'A       = 3');

  it('give another header', () => {
    expect(header.with('A', 5).cards.map(({ value }) => value)).toEqual([5, 2, 3]);
    expect(header.with('A', 5).card('A')).toEqual({ keyword: 'A', value: 5, comment: 'a' });
    expect(header.with('C', 'x', 'new').cards.at(-1)).toEqual({ keyword: 'C', value: 'x', comment: 'new' });
    expect(header.without('A').cards.map(({ keyword }) => keyword)).toEqual(['B']);
    expect(header.value('A')).toBe(1);
  });
});

it('needs END', () => {
  expect(() => Header.parse(Buffer.from('A       = 1'.padEnd(80)))).toThrow('no END card');
});
