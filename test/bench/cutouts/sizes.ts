/** Cutouts as large as they come: by area, bands and format what they take in seconds and in the worker's memory. */
import type { Answer, Platform } from './platform.ts';
import { degreesOf, middleOf } from './tiles.ts';

export interface Cell {
  /** Pixels of a side. */
  readonly side: number;
  readonly format: string;
  readonly bands: string;
  readonly answer: Answer;
  /** Most memory that the worker had resident, bytes. */
  readonly peak: number | undefined;
}

const formats: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  FITS: { format: 'fits' },
  'FITS, RICE': { format: 'fits', compress: 'rice' },
  'PNG of 2,000 pixels': { format: 'png', maxPixels: '2000' },
  'PNG, whole': { format: 'png' },
};

/**
 * Areas from 1′ on, each with sides four times as long as the one before, then a tile whole, and four of them that abut: of each format, until one is
 * refused. `wide`: the survey of those four.
 */
export async function measureSizes(
  platform: Platform,
  size: number,
  { wide, told }: { readonly wide: string; readonly told: (cell: Cell) => void },
): Promise<Cell[]> {
  const cells: Cell[] = [];
  const sides = [228, 912, 3648].filter((side) => side < size);
  const { ra, dec } = middleOf(0);
  for (const bands of ['r', 'i,r,g'])
    for (const [format, query] of Object.entries(formats))
      for (const side of [...sides, size, 2 * size]) {
        const area = { survey: side > size ? wide : platform.survey, size: `${side}px` };
        await platform.forgetPeak();
        const answer = await platform.ask({
          ...query,
          ...area,
          ...{ bands, ra: ra.toFixed(7), dec: dec.toFixed(7) },
        });
        const cell = { side, format, bands, answer, peak: await platform.peak() };
        cells.push(cell);
        told(cell);
        if (answer.refused !== undefined) break;
      }
  return cells;
}

/** A line of the table, in Markdown. */
export function lineOf({ side, format, bands, answer, peak }: Cell): string {
  const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;
  const number = (value: number): string => value.toLocaleString('en');
  const minutes = 60 * degreesOf(side);
  return `| ${[
    `${number(side)}² (${minutes.toFixed(minutes < 10 ? 1 : 0)}′)`,
    bands,
    format,
    answer.refused ?? `${(answer.ms / 1000).toFixed(2)} s`,
    answer.refused === undefined ? mebibytes(answer.bytes) : '',
    peak === undefined ? '' : `${(peak / 2 ** 20).toFixed(0)} MiB`,
  ].join(' | ')} |`;
}

/** The cells as a table for docs/measurements.md, the smallest areas first. */
export function sizeTable(cells: readonly Cell[]): string {
  const columns = ['pixels', 'bands', 'format', 'seconds', 'file', 'worker at most'];
  return [
    `| ${columns.join(' | ')} |`,
    `| ${columns.map(() => '---').join(' | ')} |`,
    ...cells.toSorted((a, b) => a.side - b.side).map(lineOf),
  ].join('\n');
}
