/** Rows of the table of tiles: read by pages as they are needed, and kept. */
import { coalesce, type Range } from '../../bytes/ranges.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { readPieces } from '../read/fetch.ts';
import { headerRead, type Window } from '../read/walk.ts';
import type { Layout } from './layout.ts';

const PAGE_BYTES = 4096;
/** Of the file: a table and the header's read together are read whole at the first use, up to this. */
const FIRST_SHARE = 0.006;
/** A table is read whole at the second use, up to this. */
const WHOLE_BYTES = 2 ** 20;
/** A larger one is forgotten when it is more than this in memory. */
const KEPT_BYTES = 16 * 2 ** 20;

/** Rows that were loaded. */
export class TileRows {
  private readonly pages: ReadonlyMap<number, DataView>;
  private readonly pageRows: number;
  private readonly rowBytes: number;

  constructor(pages: ReadonlyMap<number, DataView>, pageRows: number, rowBytes: number) {
    this.pages = pages;
    this.pageRows = pageRows;
    this.rowBytes = rowBytes;
  }

  /** The bytes that hold a row, and where it begins in them. Only rows that were asked for are there. */
  at(row: number): { view: DataView; at: number } {
    const page = Math.floor(row / this.pageRows);
    return { view: this.pages.get(page)!, at: (row - page * this.pageRows) * this.rowBytes };
  }
}

export class TileTable {
  private readonly layout: Layout;
  private readonly pageRows: number;
  private readonly pages = new Map<number, DataView>();
  private used = false;

  /** @param window bytes of the file that are known already: the read for the header often has the first rows */
  constructor(layout: Layout, window: Window | undefined) {
    this.layout = layout;
    this.pageRows = Math.max(1, Math.floor(PAGE_BYTES / layout.rowBytes));
    if (window !== undefined) this.keep(window.offset, window.bytes, new Map());
  }

  private pageRange(page: number): Range {
    const { tableOffset, rowBytes, tiles } = this.layout;
    const start = tableOffset + page * this.pageRows * rowBytes;
    const rows = Math.min(this.pageRows, tiles - page * this.pageRows);
    return { start, end: start + rows * rowBytes };
  }

  /** Takes the pages that lie in these bytes of the file whole, into `mine` too. Gives the bytes of memory that are new. */
  private keep(offset: number, bytes: Uint8Array, mine: Map<number, DataView>): number {
    const { tableOffset, rowBytes, tiles } = this.layout;
    const pageBytes = this.pageRows * rowBytes;
    let kept = 0;
    for (let page = Math.max(0, Math.ceil((offset - tableOffset) / pageBytes)); ; page++) {
      if (page * this.pageRows >= tiles) return kept;
      const { start, end } = this.pageRange(page);
      if (end > offset + bytes.length) return kept;
      let view = this.pages.get(page);
      if (view === undefined) {
        // A copy: the read that it came with need not stay in memory for it.
        const own = bytes.slice(start - offset, end - offset);
        view = new DataView(own.buffer, own.byteOffset, own.byteLength);
        this.pages.set(page, view);
        kept += own.length;
      }
      mine.set(page, view);
    }
  }

  /** Rows `start` ≤ row < `end` of each run; `grown` is told the bytes of memory that this takes from now on. */
  async load(
    source: ByteSource,
    runs: readonly Range[],
    signal: AbortSignal | undefined,
    grown: (bytes: number) => void,
  ): Promise<TileRows> {
    const { rowBytes, tiles } = this.layout;
    // Of one's own: another read may make the table forget pages while this one waits.
    const mine = new Map<number, DataView>();
    const missing = new Set<number>();
    for (const { start, end } of runs) {
      const last = Math.floor((end - 1) / this.pageRows);
      for (let page = Math.floor(start / this.pageRows); page <= last; page++) {
        const view = this.pages.get(page);
        if (view === undefined) missing.add(page);
        else mine.set(page, view);
      }
    }
    const again = this.used;
    this.used = true;
    if (missing.size > 0) {
      const whole = rowBytes * tiles;
      if (again ? whole <= WHOLE_BYTES : whole + headerRead(source.size) <= source.size * FIRST_SHARE) {
        for (let page = 0; page * this.pageRows < tiles; page++) if (!this.pages.has(page)) missing.add(page);
      }
      if ((this.pages.size + missing.size) * this.pageRows * rowBytes > KEPT_BYTES) this.pages.clear();
      const pieces = [...missing].sort((a, b) => a - b).map((page) => this.pageRange(page));
      await readPieces(source, coalesce(pieces), signal, ({ start }, bytes) => {
        grown(this.keep(start, bytes, mine));
      });
    }
    return new TileRows(mine, this.pageRows, rowBytes);
  }
}
