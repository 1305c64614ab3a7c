/** Columns of a binary table, as far as compressed images have them. */
import { SkyError } from '../../errors.ts';
import type { Header } from '../header/header.ts';

/** Bytes of one value, by its TFORM letter. */
const BYTES = new Map(
  Object.entries({ L: 1, B: 1, A: 1, I: 2, J: 4, E: 4, K: 8, D: 8, C: 8, M: 16, P: 8, Q: 16 }),
);

export interface Column {
  /** Bytes from the beginning of a row. */
  readonly offset: number;
  /** TFORM letter; P and Q are descriptors of an array in the heap. */
  readonly type: string;
  /** Bytes of a value in the heap; 0 for a column that has none there. */
  readonly heapBytes: number;
}

const FORM = /^(\d*)([LXBIJKAEDCMPQ])([A-Z]?)/;
const MAX_COLUMNS = 999;

/** By TTYPE in upper case; of two of one name the first. Throws SkyError `invalid_fits` where they need more than a row has. */
export function columnsOf(header: Header, rowBytes: number): ReadonlyMap<string, Column> {
  const columns = new Map<string, Column>();
  const count = Math.min(header.integer('TFIELDS'), MAX_COLUMNS);
  let offset = 0;
  for (let i = 1; i <= count; i++) {
    const form = header.string(`TFORM${i}`).trim().toUpperCase();
    const parts = FORM.exec(form);
    if (parts === null) {
      throw new SkyError('invalid_fits', `TFORM${i} of ${header.where} is ${form.slice(0, 80)}.`);
    }
    const [, repeat = '', type = '', heapType = ''] = parts;
    const values = repeat === '' ? 1 : Number(repeat);
    const name = header.value(`TTYPE${i}`);
    if (typeof name === 'string' && values > 0) {
      const key = name.trim().toUpperCase();
      const heapBytes = type === 'P' || type === 'Q' ? (BYTES.get(heapType) ?? 0) : 0;
      if (!columns.has(key)) columns.set(key, { offset, type, heapBytes });
    }
    offset += type === 'X' ? Math.ceil(values / 8) : values * BYTES.get(type)!;
  }
  if (offset > rowBytes) {
    throw new SkyError(
      'invalid_fits',
      `The columns of ${header.where} take ${offset} bytes, its rows have ${rowBytes}.`,
    );
  }
  return columns;
}

/** The number in a column of one; NaN for types that are none. */
export function numberAt(row: DataView, at: number, { offset, type }: Column): number {
  switch (type) {
    case 'B':
      return row.getUint8(at + offset);
    case 'I':
      return row.getInt16(at + offset);
    case 'J':
      return row.getInt32(at + offset);
    case 'K':
      return Number(row.getBigInt64(at + offset));
    case 'E':
      return row.getFloat32(at + offset);
    case 'D':
      return row.getFloat64(at + offset);
    default:
      return Number.NaN;
  }
}

/** Values of an array in the heap, and where they begin there, in bytes. */
export interface Descriptor {
  readonly count: number;
  readonly start: number;
}

export function descriptorAt(row: DataView, at: number, { offset, type }: Column): Descriptor {
  return type === 'P'
    ? { count: row.getInt32(at + offset), start: row.getInt32(at + offset + 4) }
    : {
        count: Number(row.getBigInt64(at + offset)),
        start: Number(row.getBigInt64(at + offset + 8)),
      };
}
