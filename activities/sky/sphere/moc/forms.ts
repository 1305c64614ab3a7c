/** A coverage map as others read it: the serialisations of IVOA MOC 2.0, section 4. */
import { checksumOf } from '../../fits/write/checksum.ts';
import { blockLength, card, HeaderUnit } from '../../fits/write/header.ts';
import type { Moc } from './moc.ts';

/** Cells by order, rising; the finest order is there although it has none. */
const byOrder = ({ order, cells }: Moc): [number, readonly number[]][] =>
  [...new Set([...cells.keys(), order])]
    .sort((a, b) => a - b)
    .map((level) => [level, cells.get(level) ?? []]);

/** `{"8":[1,2],"12":[]}`. */
export const mocJson = (moc: Moc): Record<string, readonly number[]> => Object.fromEntries(byOrder(moc));

/** What {@link mocJson} made. */
export const mocFrom = (order: number, json: Readonly<Record<string, readonly number[]>>): Moc => ({
  order,
  cells: new Map(
    Object.entries(json).flatMap(([level, cells]) => (cells.length === 0 ? [] : [[Number(level), cells]])),
  ),
});

/** `8/1-3 5 12/`. */
export function mocAscii(moc: Moc): string {
  return byOrder(moc)
    .map(([level, cells]) => `${level}/${rangesOf(cells).join(' ')}`)
    .join(' ');
}

function rangesOf(cells: readonly number[]): string[] {
  const ranges: string[] = [];
  for (let i = 0; i < cells.length; i++) {
    const first = cells[i]!;
    while (cells[i + 1] === cells[i]! + 1) i++;
    ranges.push(cells[i] === first ? `${first}` : `${first}-${cells[i]}`);
  }
  return ranges;
}

/** A table of NUNIQ numbers (4 · 4^order + cell), which readers of MOC 1 know too. */
export function mocFits(moc: Moc): Buffer {
  const numbers = byOrder(moc).flatMap(([level, cells]) => cells.map((cell) => 4 * 4 ** level + cell));
  const data = Buffer.alloc(Math.ceil((numbers.length * 8) / blockLength) * blockLength);
  for (const [i, number] of numbers.entries()) data.writeBigInt64BE(BigInt(number), 8 * i);
  const primary = [
    card('SIMPLE', true, 'file conforms to FITS standard'),
    card('BITPIX', 8, 'bits per data value'),
    card('NAXIS', 0, 'number of axes'),
    card('EXTEND', true, 'extensions may be there'),
  ];
  const table = [
    card('XTENSION', 'BINTABLE', 'binary table extension'),
    card('BITPIX', 8, 'bytes'),
    card('NAXIS', 2, 'number of axes'),
    card('NAXIS1', 8, 'bytes per row'),
    card('NAXIS2', numbers.length, 'rows'),
    card('PCOUNT', 0, 'no heap'),
    card('GCOUNT', 1, 'one group'),
    card('TFIELDS', 1, 'columns'),
    card('TTYPE1', 'UNIQ', '4 * 4^order + cell'),
    card('TFORM1', '1K', '64-bit integer'),
  ];
  const own = [
    card('MOCVERS', '2.0', 'version of the standard'),
    card('MOCDIM', 'SPACE', 'what it covers'),
    card('MOCORD_S', moc.order, 'order of its finest cells'),
    card('MOCORDER', moc.order, 'the same for readers of MOC 1'),
    card('ORDERING', 'NUNIQ', 'how cells are numbered'),
    card('COORDSYS', 'C', 'ICRS'),
    card('PIXTYPE', 'HEALPIX', ''),
  ];
  return Buffer.concat([
    new HeaderUnit(primary.length, []).bytes(primary, 0),
    new HeaderUnit(table.length, own).bytes(table, checksumOf(data)),
    data,
  ]);
}
