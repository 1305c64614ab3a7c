/** Rows of a job's list: where each cutout lies, read from the columns that catalogues have. */
import { losesDigits, lostDigits, storable } from '@darkroom/contract';
import { z } from 'zod';
import { parseDec, parseRa, parseSize } from '../../cut/request.ts';
import { SkyError } from '../../errors.ts';

/** A place of which a cutout is wanted. */
export interface CutoutRow {
  /** As its user has it. */
  readonly id: string | null;
  /** Degrees, ICRS. */
  readonly ra: number;
  readonly dec: number;
  /** The row's own, as written; it can be read. */
  readonly size: string | null;
}

/** What stands in a row, whether or not it can be read; null where nothing does. */
export type WrittenRow = Readonly<Record<'id' | 'ra' | 'dec' | 'size', string | null>>;

/** Names of columns in lower case, the ones that go before others first. */
const columns = {
  id: ['id', 'name', 'objid', 'source_id', 'coadd_object_id'],
  ra: ['ra', 'ra_deg', 'raj2000', 'ra_icrs', 'alpha'],
  dec: ['dec', 'de', 'dec_deg', 'dej2000', 'decj2000', 'dec_icrs', 'delta'],
  size: ['size'],
} as const satisfies Record<keyof WrittenRow, readonly string[]>;

const longest = { id: 200, ra: 40, dec: 40, size: 60 } as const satisfies Record<keyof WrittenRow, number>;

/** Reads a row, of CSV or JSON, with its columns' names in any case. Other columns are its user's own. A `fault` is what keeps it from being read. */
export function rowFrom(value: unknown): { readonly row: CutoutRow } | { readonly fault: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { fault: 'it is no object with ra and dec' };
  const { id, ra, dec, size } = textsOf(value);
  for (const [name, text] of [
    ['ra', ra],
    ['dec', dec],
  ] as const)
    if (text === null)
      return { fault: `${name}: is missing; its column is named one of ${columns[name].join(', ')}` };
  for (const [name, text] of Object.entries({ id, ra, dec, size }) as [keyof WrittenRow, string | null][])
    if ((text?.length ?? 0) > longest[name])
      return { fault: `${name}: is longer than ${longest[name]} characters` };
  if (id !== null && storable(id) !== id) return { fault: 'id: has NUL or broken Unicode' };
  if (id !== null && id.length > 15 && isRounded(value)) return { fault: `id: ${lostDigits}` };
  try {
    if (size !== null) parseSize(size);
    return { row: { id, ra: parseRa(ra ?? ''), dec: parseDec(dec ?? ''), size } };
  } catch (error) {
    if (error instanceof SkyError) return { fault: error.message.replace(/\.$/, '') };
    throw error;
  }
}

/** Whether the id is a number of which reading JSON has kept the first digits alone: its cutout would be called what nobody asked for. */
const isRounded = (row: object): boolean => {
  const id = columns.id.map((name) => byLowerName(row).get(name)).find((one) => textOf(one) !== null);
  return typeof id === 'number' && losesDigits(id);
};

/** As {@link rowFrom}, for what takes a schema. */
export const cutoutRow: z.ZodType<CutoutRow> = z.unknown().transform((value, context) => {
  const read = rowFrom(value);
  if ('row' in read) return read.row;
  context.addIssue({ code: 'custom', message: read.fault });
  return z.NEVER;
});

/** For those who want to find a row again that came to nothing: its texts, as long as a row's may be. */
export function writtenRow(value: unknown): WrittenRow {
  const texts = typeof value === 'object' && value !== null ? textsOf(value) : none;
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [
      name,
      text === null ? null : storable(text.slice(0, longest[name as keyof WrittenRow])),
    ]),
  ) as WrittenRow;
}

const none: WrittenRow = { id: null, ra: null, dec: null, size: null };

function textsOf(row: object): WrittenRow {
  const byName = byLowerName(row);
  const text = (field: keyof WrittenRow): string | null => {
    for (const name of columns[field]) {
      const found = textOf(byName.get(name));
      if (found !== null) return found;
    }
    return null;
  };
  return { id: text('id'), ra: text('ra'), dec: text('dec'), size: text('size') };
}

function byLowerName(row: object): ReadonlyMap<string, unknown> {
  const byName = new Map<string, unknown>();
  for (const [name, value] of Object.entries(row)) {
    // Some tables have their header behind a comment sign.
    const lower = name.replace(/^#\s*/, '').trim().toLowerCase();
    if (!byName.has(lower)) byName.set(lower, value);
  }
  return byName;
}

function textOf(value: unknown): string | null {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  const trimmed = typeof value === 'string' ? value.trim() : '';
  return trimmed === '' ? null : trimmed;
}

/** Tells lists whose columns of right ascension and declination stand for each other. Rows are added as they were read. */
export class SwappedColumns {
  #rows = 0;
  #swapped = 0;

  add(value: unknown): void {
    const { ra, dec } = writtenRow(value);
    if (dec === null) return;
    this.#rows++;
    // What lies beyond a pole is written as a number.
    if (Math.abs(Number(dec)) > 90 && ra !== null && isDec(ra)) this.#swapped++;
  }

  /** Whether each declination lies beyond a pole while each right ascension would do as one; undefined where not. */
  get problem(): { readonly code: 'swapped_columns'; readonly detail: string } | undefined {
    if (this.#rows === 0 || this.#swapped < this.#rows) return undefined;
    const all = this.#rows === 1 ? 'The declination lies' : `All ${this.#rows} declinations lie`;
    return {
      code: 'swapped_columns',
      detail: `${all} beyond ±90°, while the right ascensions would do as declinations: the columns ra and dec seem to be swapped.`,
    };
  }
}

function isDec(text: string): boolean {
  try {
    parseDec(text);
    return true;
  } catch {
    return false;
  }
}
