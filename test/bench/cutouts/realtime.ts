/** What is asked of the platform: by one client, by sixteen. */
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
