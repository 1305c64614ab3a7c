/** Names of files, from what users call their positions: safe on every disk, and no two alike. Pure. */

/** Of a name without what makes it distinct: with that and an extension it is a name on every file system. */
const longest = 100;

/** Letters, digits and `+-._` of any script's plain form; other characters become `_`. Never empty, hidden, or one that Windows keeps for itself. */
export function safeName(id: string): string {
  const plain = id.normalize('NFKD').replaceAll(/\p{M}/gu, '');
  const safe = plain
    .replaceAll(/[^A-Za-z0-9+\-._]+/g, '_')
    .replace(/^[._]+/, '')
    .slice(0, longest)
    .replace(/[._]+$/, '');
  if (safe === '') return 'cutout';
  return /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i.test(safe) ? `_${safe}` : safe;
}

/** By its position, where a row has no id: degrees, ICRS, to a few milliseconds of arc. */
export function positionName(ra: number, dec: number): string {
  const sign = dec < 0 ? '-' : '+';
  return `${ra.toFixed(6).padStart(10, '0')}${sign}${Math.abs(dec).toFixed(6).padStart(9, '0')}`;
}

/** Tells which names several rows have. All rows are noted before the first is named, so that a name does not depend on where reading began. */
export class RowNames {
  /** In lower case, as most disks compare them; whether more than one row has it. */
  readonly #rows = new Map<string, boolean>();

  note(name: string): void {
    const lower = name.toLowerCase();
    this.#rows.set(lower, this.#rows.has(lower));
  }

  /**
   * What row `row` (from 1) is called whose plain name is `name`: that itself, where no other row has it; else with the row's number, and where
   * another row is called so already, one more line at the end.
   */
  of(name: string, row: number): string {
    if (this.#rows.get(name.toLowerCase()) !== true) return name;
    let own = `${name}_${row}`;
    while (this.#rows.has(own.toLowerCase())) own += '_';
    return own;
  }
}
