import type { ListFormat } from '@darkroom/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstRow, type ReadRow, RowFault, RowReader, type RowsCursor } from './rows.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text);

/** Reads a file in chunks of these sizes, over and over. */
function readAll(
  file: Uint8Array,
  format: ListFormat,
  {
    sizes = [7],
    from = firstRow,
    mostBytes = 1000,
  }: { sizes?: number[]; from?: RowsCursor; mostBytes?: number } = {},
): { rows: ReadRow[]; cursor: RowsCursor } {
  const reader = new RowReader(format, from, mostBytes);
  const rows: ReadRow[] = [];
  for (let at = from.at, turn = 0; at < file.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    rows.push(...reader.push(file.subarray(at, at + size)));
    at += size;
  }
  rows.push(...reader.end());
  return { rows, cursor: reader.cursor };
}

const valuesOf = (text: string, format: ListFormat = 'csv', mostBytes = 1000): unknown[] =>
  readAll(bytesOf(text), format, { mostBytes }).rows.map(({ value }) =>
    value instanceof RowFault ? `! ${value.message}` : value,
  );

describe('rows of CSV', () => {
  it('are read by the columns of the header, with quotes, line ends within them, BOM and CRLF', () => {
    expect(valuesOf('\uFEFF"name", x\r\na,1\r\n\r\n"b, ""the\r\nsecond""",2\r\n"",3\r\n')).toEqual([
      { name: 'a', x: '1' },
      { name: 'b, "the\r\nsecond"', x: '2' },
      { x: '3' },
    ]);
  });

  it('take a quote as it is where the cell does not begin with one, and a last row without a line end', () => {
    expect(valuesOf('lens,n\n5" wide,1\nx,2')).toEqual([
      { lens: '5" wide', n: '1' },
      { lens: 'x', n: '2' },
    ]);
  });

  it('that cannot be read are numbered, and those behind them are read', () => {
    const rows = ['n,m', '1,2', '1', '"1"x,2', `${'1'.repeat(50)},2`, '5,\0', '6,2'].join('\n');
    expect(valuesOf(rows, 'csv', 40)).toEqual([
      { n: '1', m: '2' },
      '! it has 1 cells, and the header 2',
      '! something stands behind a closing double quote; double quotes within a cell are written twice',
      '! it has more than 40 bytes (LIMIT_PLAN_ROW_BYTES)',
      '! it holds a NUL, or half a surrogate pair',
      { n: '6', m: '2' },
    ]);
    const latin = Buffer.from('n\ncaf\xe9\nok\n', 'latin1');
    expect(readAll(latin, 'csv').rows.map(({ number, value }) => [number, value])).toEqual([
      [1, new RowFault('it is not UTF-8')],
      [2, { n: 'ok' }],
    ]);
  });

  it('end where a quote is not closed: nobody can tell what is a row behind it', () => {
    const open = `a,b\n"1,2\n${'3,4\n'.repeat(20)}`;
    expect(() => valuesOf(open, 'csv', 50)).toThrow('not closed within 50 bytes');
    expect(() => valuesOf('a\n"1', 'csv')).toThrow('not closed');
  });

  it('need a header whose columns have names of their own', () => {
    expect(() => valuesOf('a,a\n1,2\n')).toThrow('two columns are called a');
    expect(() => valuesOf('a,\n1,2\n')).toThrow('a column has no name');
    expect(() => valuesOf(`${'a'.repeat(50)}\n`, 'csv', 40)).toThrow('the header: it has more than 40 bytes');
    expect(valuesOf('__proto__,b\n1,2\n')).toEqual([JSON.parse('{"__proto__": "1", "b": "2"}')]);
    expect(valuesOf('')).toEqual([]);
  });
});

describe('rows of NDJSON', () => {
  it('are one JSON value each', () => {
    expect(valuesOf('{"a": 1}\r\n\n{"b": "\\u00e9 \\\\u0000"}\n[2]', 'ndjson')).toEqual([
      { a: 1 },
      { b: 'é \\u0000' },
      [2],
    ]);
  });

  it('that cannot be read or kept are faults', () => {
    expect(valuesOf('{"a": 1\n"\\u0000"\n{"\\ud800": 1}\n"\\ud83d\\ude00"', 'ndjson')).toEqual([
      '! it is not JSON',
      '! it holds a NUL, or half a surrogate pair',
      '! it holds a NUL, or half a surrogate pair',
      '😀',
    ]);
  });
});

describe('any list', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '"', ',', '\n', '\r', ' '), maxLength: 6 });
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

  it('is read the same however its bytes are cut, and from behind any of its rows', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), sizes, fc.nat(), (cells, cut, which) => {
        const file = bytesOf(`a,b\n${cells.map((row) => row.map(quoted).join(',')).join('\n')}\n`);
        const { rows } = readAll(file, 'csv', { sizes: cut });
        expect(rows.map(({ value }) => value)).toEqual(
          cells.map((row) =>
            Object.fromEntries(['a', 'b'].map((name, i) => [name, row[i]]).filter(([, text]) => text !== '')),
          ),
        );
        const last = rows[which % rows.length]!;
        const from = { at: last.end, rows: last.number, columns: ['a', 'b'] };
        expect(readAll(file, 'csv', { sizes: cut, from }).rows).toEqual(rows.slice(last.number));
      }),
    );
  });

  it('goes on at its cursor', () => {
    const file = bytesOf('{"n":1}\n{"n":2}\n{"n":3}');
    const reader = new RowReader('ndjson', firstRow, 100);
    expect(reader.push(file.subarray(0, 20)).map(({ number }) => number)).toEqual([1, 2]);
    expect(reader.cursor).toEqual({ at: 16, rows: 2 });
    const { rows, cursor } = readAll(file, 'ndjson', { from: reader.cursor });
    expect(rows).toEqual([{ number: 3, value: { n: 3 }, end: 23 }]);
    expect(cursor).toEqual({ at: 23, rows: 3 });
  });
});
