/** The cells of a row of CSV, as RFC 4180 has them. */

/** What keeps a row from being read, in words. */
export class RowFault extends Error {
  override readonly name = 'RowFault';
}

/**
 * Cells by position; a quote within a cell that does not begin with one is taken as it is. Throws {@link RowFault} where something stands
 * behind the closing quote of a cell.
 */
export function cellsOf(row: string): string[] {
  if (!row.includes('"')) return row.split(',');
  const cells: string[] = [];
  for (let at = 0; ; ) {
    const found = row[at] === '"' ? quotedCell(row, at) : plainCell(row, at);
    cells.push(found.text);
    if (found.next > row.length) return cells;
    at = found.next;
  }
}

interface Cell {
  readonly text: string;
  /** Where the next cell begins; beyond the row's length after the last. */
  readonly next: number;
}

function plainCell(row: string, at: number): Cell {
  const comma = row.indexOf(',', at);
  const end = comma === -1 ? row.length : comma;
  return { text: row.slice(at, end), next: end + 1 };
}

function quotedCell(row: string, at: number): Cell {
  let end = at;
  do {
    end = row.indexOf('"', end + 1);
    // The splitter has found where the row ends, so that a quote is missing in a row of another maker alone.
    if (end === -1) throw new RowFault('a double quote is not closed');
  } while (row[end + 1] === '"' && ++end);
  if (end + 1 < row.length && row[end + 1] !== ',')
    throw new RowFault(
      'something stands behind a closing double quote; double quotes within a cell are written twice',
    );
  return { text: row.slice(at + 1, end).replaceAll('""', '"'), next: end + 2 };
}
