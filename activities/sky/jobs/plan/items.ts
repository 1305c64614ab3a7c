/** From the rows of a list to the cutouts of a job: of which tiles each is made, what it is called, and which are made once for several. */
import {
  brokenCutoutItem,
  type CutoutItem,
  type CutoutsOptions,
  mosaicGroups,
  ProblemError,
  problemOf,
} from '@darkroom/contract';
import type { PlannedItem, PlannedRow } from '@darkroom/frame';
import { writeSize } from '../../realtime/fitting.ts';
import { beyondLimits, type Limits, requireScale } from '../../realtime/plan.ts';
import { toVector } from '../../sphere/vector.ts';
import { centredOn, chosenTiles, missingBands, wantsNeighbours } from '../../survey/choose.ts';
import { type FoundTile, heightOn, type TileFinder } from '../../survey/records/finder.ts';
import { expectedOf } from '../list/expected.ts';
import { type CutoutRow, rowFrom, SwappedColumns, writtenRow } from '../list/rows.ts';
import { type CutoutTemplate, requestAt } from '../list/sets.ts';
import { positionName, RowNames, safeName } from './names.ts';
import type { PinnedTile } from './pins.ts';

export interface ItemsDeps {
  readonly options: Pick<CutoutsOptions, 'onError'>;
  readonly sets: readonly CutoutTemplate[];
  /** Of each survey that the sets are of. */
  readonly finderOf: (survey: string) => Pick<TileFinder, 'find'>;
  readonly limitsOf: (survey: string) => Omit<Limits, 'seconds' | 'bytes'>;
  /** Is told of the tiles that cutouts are made of, each at least once, before they are items: when the list is gone through for good. */
  readonly pin: (tiles: readonly PinnedTile[]) => Promise<void>;
}

/** More than heights differ by: what repeats another cutout comes when those of its tile have been made. */
const behindAll = 3;

export const keyOf = (row: number, set: number, sets: number): string =>
  sets === 1 ? String(row) : `${row}.${set + 1}`;

/**
 * Makes the items of a list that is gone through twice: first all of it, which tells the names and repetitions, then for good, from wherever. What
 * it comes to depends on the list and the index of the surveys alone.
 */
export class CutoutItems {
  readonly #deps: ItemsDeps;
  readonly #names = new RowNames();
  /** Key of the first cutout of each kind and place. */
  readonly #firsts = new Map<string, string>();
  readonly #pinned = new Set<string>();
  readonly #swapped = new SwappedColumns();
  /** For equal parameter sets, and so for their cutouts: the first of them. */
  readonly #alike: readonly number[];
  #isRead = false;
  #good = 0;
  #broken = 0;
  #firstBroken: string | undefined;

  constructor(deps: ItemsDeps) {
    this.#deps = deps;
    const texts = deps.sets.map((set) => JSON.stringify(set));
    this.#alike = texts.map((text) => texts.indexOf(text));
  }

  /** Of each row its cutouts, one for each parameter set. */
  async itemsOf(rows: readonly PlannedRow<CutoutRow>[], signal: AbortSignal): Promise<PlannedItem[][]> {
    if (!this.#isRead) this.#note(rows);
    const bySet: PlannedItem[][] = [];
    for (const [set, template] of this.#deps.sets.entries())
      bySet.push(await this.#itemsOfSet(rows, set, template, signal));
    return rows.map((_, i) => bySet.map((items) => items[i]!));
  }

  /** What is known of a row that cannot be read; `value` is undefined where not even its cells could be. */
  broken(number: number, value: unknown): object {
    if (!this.#isRead) {
      this.#broken++;
      const read = value === undefined ? undefined : rowFrom(value);
      const why = read !== undefined && 'fault' in read ? read.fault : 'it cannot be taken apart';
      this.#firstBroken ??= `Row ${number}: ${why}`;
      this.#swapped.add(value);
    }
    const { id, ra, dec } = writtenRow(value);
    return brokenCutoutItem.parse({ row: number, set: 0, id, ra, dec });
  }

  /** All of the list was gone through once. Throws ProblemError `swapped_columns`, `invalid_row`. */
  allRead(): void {
    this.#isRead = true;
    if (this.#good === 0 && this.#swapped.problem !== undefined) {
      const { code, detail } = this.#swapped.problem;
      throw new ProblemError(code, detail);
    }
    if (this.#broken === 0 || this.#deps.options.onError === 'skip') return;
    const more = this.#broken === 1 ? '' : ` In all ${this.#broken} rows cannot be read.`;
    throw new ProblemError(
      'invalid_row',
      `${this.#firstBroken}.${more} With onError=skip the job goes on without them.`,
    );
  }

  #note(rows: readonly PlannedRow<CutoutRow>[]): void {
    const { sets } = this.#deps;
    this.#good += rows.length;
    for (const { number, row } of rows) {
      this.#names.note(plainName(row));
      for (const set of sets.keys()) {
        const place = this.#placeOf(row, set);
        if (!this.#firsts.has(place)) this.#firsts.set(place, keyOf(number, set, sets.length));
      }
    }
  }

  #placeOf({ ra, dec, size }: CutoutRow, set: number): string {
    return `${this.#alike[set]} ${ra} ${dec} ${size ?? ''}`;
  }

  async #itemsOfSet(
    rows: readonly PlannedRow<CutoutRow>[],
    set: number,
    template: CutoutTemplate,
    signal: AbortSignal,
  ): Promise<PlannedItem[]> {
    const { finderOf, pin } = this.#deps;
    const finder = finderOf(template.survey);
    const centres = rows.map(({ row: { ra, dec } }) => ({ centre: toVector(ra, dec) }));
    const at = await finder.find(centres, signal);
    const placed = rows.map(({ row }, i) => this.#place(template, row, at[i]!));
    const around = placed.flatMap((one, i) =>
      'reach' in one && one.wantsNeighbours ? [{ i, place: { ...centres[i]!, reach: one.reach } }] : [],
    );
    const neighbours = await finder.find(
      around.map(({ place }) => place),
      signal,
    );
    const found = new Map(around.map(({ i }, n) => [i, neighbours[n]!]));
    const fresh: PinnedTile[] = [];
    // What the first pass wrote would go where it shows that the plan begins anew.
    const pins = this.#isRead;
    const items = rows.map((row, i): PlannedItem => {
      const one = placed[i]!;
      const base = this.#base(row, set, template);
      if ('problem' in one) return { ...base, problem: one.problem };
      const chosen = chosenTiles(one.request, one, found.get(i) ?? at[i]!);
      for (const { tile, band, planes } of chosen.flat()) {
        const name = JSON.stringify([template.survey, tile, band]);
        if (!pins || this.#pinned.has(name)) continue;
        fresh.push({ survey: template.survey, tile, band, planes: pinnedFiles(planes) });
        this.#pinned.add(name);
      }
      const lead = chosen[0]![0]!;
      const isMosaic = chosen.some((tiles) => tiles.length > 1);
      const { pixels, bytes } = expectedOf(one.request, {
        scale: one.scale,
        tiles: chosen.flat().length / chosen.length,
      });
      const tiles = chosen.map((ofBand) => ofBand.map(({ tile }) => tile));
      return {
        ...base,
        input: { ...base.input, tiles, pixels, bytes } satisfies CutoutItem,
        // What stands before a colon tells groups of several tiles from others.
        group: `${isMosaic ? mosaicGroups : ''}${`${template.survey}/${lead.tile}`.replaceAll(':', '_')}`,
        at: heightOn(lead, centres[i]!.centre) + (base.input.repeats === undefined ? 0 : behindAll),
      };
    });
    if (fresh.length > 0) await pin(fresh);
    return items;
  }

  #base({ number, row }: PlannedRow<CutoutRow>, set: number, { format }: CutoutTemplate) {
    const { sets } = this.#deps;
    const { id, ra, dec, size } = row;
    const key = keyOf(number, set, sets.length);
    const suffix = sets.length === 1 ? '' : `_${set + 1}`;
    const first = this.#firsts.get(this.#placeOf(row, set));
    return {
      key,
      input: {
        row: number,
        set,
        id,
        name: `${this.#names.of(plainName(row), number)}${suffix}.${format}`,
        ra,
        dec,
        ...(size !== null && { size }),
        tiles: [] as string[][],
        pixels: 0,
        bytes: 0,
        ...(first !== undefined && first !== key && { repeats: first }),
      },
    };
  }

  #place(template: CutoutTemplate, row: CutoutRow, at: readonly FoundTile[]) {
    const { limitsOf } = this.#deps;
    const request = requestAt(template, row);
    const missing = missingBands(request, at);
    if (missing.length > 0) {
      const which =
        missing.length < request.bands.length
          ? `band ${missing.join(', ')} of ${request.survey}`
          : request.survey;
      const detail = `There is nothing of ${which} at ${row.ra}, ${row.dec}.`;
      return { problem: problemOf('no_coverage', detail) };
    }
    const centred = centredOn(request, at);
    const { scale } = centred;
    try {
      requireScale(request, scale);
    } catch (error) {
      if (error instanceof ProblemError) return { problem: error.problem };
      throw error;
    }
    const why = beyondLimits(request, request.size, { scale, tiles: 1 }, limitsOf(request.survey));
    if (why !== undefined) {
      const detail = `A cutout of ${writeSize(request.size)} is too large: ${why}.`;
      return { problem: problemOf('cutout_too_large', detail) };
    }
    return { ...centred, request, wantsNeighbours: wantsNeighbours(request, centred) };
  }
}

const pinnedFiles = (planes: FoundTile['planes']): PinnedTile['planes'] =>
  Object.fromEntries(
    Object.entries(planes).map(([plane, { uri, etag, bytes, hdu, verified }]) => [
      plane,
      { uri, etag, bytes, hdu, verified },
    ]),
  );

const plainName = ({ id, ra, dec }: CutoutRow): string =>
  id === null ? positionName(ra, dec) : safeName(id);
