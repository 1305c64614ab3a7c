/** What is asked of the platform: one client, sixteen, and cutouts as large as they come. */
import type { Figure } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';
import type { Answer, Platform } from './platform.ts';
import { bands, degreesOf, middleOf } from './tiles.ts';

/** Where a cutout of `degrees` a side lies whole on one of the tiles. */
export type Place = (degrees: number) => Record<string, string>;

/** @param places tiles of one band */
export function placesOf(places: number, size: number, random: () => number): Place {
  let next = 0;
  return (degrees) => {
    const { ra, dec } = middleOf(bands.length * (next++ % places));
    // A few pixels less, as the edges of a tile are no meridians.
    const free = Math.max(0, degreesOf(size - 8) - degrees) / 2;
    const [x, y] = [(2 * random() - 1) * free, (2 * random() - 1) * free];
    return {
      ra: (ra + x / Math.cos((dec * Math.PI) / 180)).toFixed(7),
      dec: (dec + 0.98 * y).toFixed(7),
    };
  };
}

const arcmin = 1 / 60;
const formats = {
  'FITS, r': { format: 'fits', bands: 'r' },
  'PNG, Lupton': { format: 'png', bands: 'i,r,g' },
} as const;

/** One closed-loop client: `requests` of each format, no two of one place. Then `clients` of them. */
export async function measureRequests(
  platform: Platform,
  place: Place,
  { requests, clients }: { readonly requests: number; readonly clients: number },
): Promise<{ figures: Figure[]; raw: object }> {
  const figures: Figure[] = [];
  const raw: Record<string, object> = {};
  const ask = (query: Record<string, string>): Promise<Answer> =>
    platform.ask({ size: '1arcmin', ...query, ...place(arcmin) });
  for (const [title, query] of Object.entries(formats)) {
    for (let i = 0; i < Math.min(50, requests); i++) await ask(query);
    const alone: Answer[] = [];
    for (let i = 0; i < requests; i++) alone.push(await ask(query));
    const began = performance.now();
    const beside: Answer[] = [];
    let begun = 0;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (begun++ < requests) beside.push(await ask(query));
      }),
    );
    const seconds = (performance.now() - began) / 1000;
    const ms = answered(alone);
    figures.push(
      { name: `${title}, one client: p50`, value: median(ms), unit: 'ms', target: 100 },
      { name: `${title}, one client: p99`, value: quantile(ms, 0.99), unit: 'ms', target: 400 },
      { name: `${title}, ${clients} clients`, value: answered(beside).length / seconds, unit: '/s' },
      { name: `${title}, ${clients} clients: p50`, value: median(answered(beside)), unit: 'ms' },
      { name: `${title}, ${clients} clients: p99`, value: quantile(answered(beside), 0.99), unit: 'ms' },
      {
        name: `${title}: requests that failed`,
        value: alone.length + beside.length - ms.length - answered(beside).length,
        unit: '',
        target: 0,
      },
    );
    raw[title] = { alone, beside, seconds };
  }
  return { figures, raw };
}

const answered = (answers: readonly Answer[]): number[] =>
  answers.flatMap(({ ms, refused }) => (refused === undefined ? [ms] : []));

export interface Cell {
  readonly size: string;
  readonly bands: string;
  readonly format: string;
  readonly answer: Answer;
  /** Most memory that the worker had resident, bytes. */
  readonly peak: number | undefined;
}

/** Each size twice as large as the one before, until one is refused: by bands and format, seconds and memory. */
export async function measureSizes(platform: Platform, place: Place, size: number): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const ofBands of ['r', 'i,r,g'])
    for (const format of ['fits', 'png'])
      for (let minutes = 1; ; minutes *= 2) {
        const whole = degreesOf(size - 8) * 60;
        const side = Math.min(minutes, Math.floor(whole * 100) / 100);
        const query = { format, bands: ofBands, size: `${side}arcmin`, mode: 'primary' };
        await platform.forgetPeak();
        const answer = await platform.ask({ ...query, ...place(side * arcmin) });
        const peak = await platform.peak();
        cells.push({ size: `${side}′`, bands: ofBands, format, answer, peak });
        if (answer.refused !== undefined || side < minutes) break;
      }
  return cells;
}

/** The cells as a table. */
export function sizeTable(cells: readonly Cell[]): string {
  const rows = cells.map(({ size, bands: ofBands, format, answer, peak }) => [
    size,
    ofBands,
    format,
    answer.refused ?? `${(answer.ms / 1000).toFixed(2)} s`,
    answer.refused === undefined ? `${(answer.bytes / 2 ** 20).toFixed(1)} MiB` : '',
    peak === undefined ? '' : `${(peak / 2 ** 20).toFixed(0)} MiB`,
  ]);
  const all = [['side', 'bands', 'format', 'seconds', 'file', 'worker at most'], ...rows];
  const widths = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}
