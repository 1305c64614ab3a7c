/** From the items of a job to what is made: with the files that were pinned when it was planned. */
import { type CutoutItem, cutoutItem } from '@darkroom/contract';
import { type Db, type ItemRow, readPage } from '@darkroom/records';
import type { CutoutCall } from '../make/call.ts';
import { sourcesOf, surveyOfCall } from '../survey/choose.ts';
import type { SurveyDefinition } from '../survey/definition/definition.ts';
import { itemStage } from './made.ts';
import { type PinnedTile, pinnedTiles } from './pins.ts';
import { type CutoutTemplate, requestAt } from './sets.ts';

export interface CallsOf {
  readonly jobId: string;
  readonly sets: readonly CutoutTemplate[];
  readonly definitionOf: (survey: string) => SurveyDefinition;
}

/** Items that are read at a time. */
const rowsAtOnce = 1000;

/** The items of a span of ordinals as calls; keeps the tiles of those that it was shown. */
export class Calls {
  readonly #of: CallsOf;
  readonly #tiles = new Map<string, PinnedTile['planes']>();

  constructor(of: CallsOf) {
    this.#of = of;
  }

  /** Reads the tiles of all items with `from <= ordinal < to`, so that {@link callOf} has them. */
  async load(db: Db, { from, to }: { readonly from: number; readonly to: number }): Promise<void> {
    const { jobId, sets } = this.#of;
    for (let first = from; first < to; first += rowsAtOnce) {
      const items = await readPage(db, jobId, itemStage, first, Math.min(to, first + rowsAtOnce));
      const wanted = new Map<string, Set<string>>();
      for (const item of items) {
        const input = itemOf(item);
        const survey = input && sets[input.set]?.survey;
        if (input === undefined || survey === undefined) continue;
        const tiles = wanted.get(survey) ?? new Set();
        wanted.set(survey, tiles);
        for (const tile of input.tiles.flat()) tiles.add(tile);
      }
      for (const [survey, tiles] of wanted)
        for (const pinned of await pinnedTiles(db, jobId, { survey, tiles: [...tiles] }))
          this.#tiles.set(nameOf(pinned), pinned.planes);
    }
  }

  /** Throws TypeError for an item whose tiles were not loaded. */
  callOf(item: Pick<ItemRow, 'input' | 'key'>): CutoutCall {
    const { sets, definitionOf } = this.#of;
    const input = itemOf(item);
    const template = input && sets[input.set];
    if (input === undefined || template === undefined)
      throw new TypeError(`Item ${item.key} is no cutout of the job's sets.`);
    const { ra, dec, size = null } = input;
    const request = requestAt(template, { ra, dec, size });
    const { survey, bands } = request;
    const sources = bands.flatMap((band, i) =>
      (input.tiles[i] ?? []).flatMap((tile) => {
        const planes = this.#tiles.get(nameOf({ survey, tile, band }));
        if (planes === undefined) throw new TypeError(`${tile} of ${survey} in ${band} was not pinned.`);
        return sourcesOf({ tile, band, planes }, request);
      }),
    );
    return { request, survey: surveyOfCall(definitionOf(survey), bands), sources };
  }
}

/** Undefined of a row that came to no cutout. */
export const itemOf = ({ input }: Pick<ItemRow, 'input'>): CutoutItem | undefined => {
  const parsed = cutoutItem.safeParse(input);
  return parsed.success && parsed.data.tiles.length > 0 ? parsed.data : undefined;
};

const nameOf = ({ survey, tile, band }: Pick<PinnedTile, 'survey' | 'tile' | 'band'>): string =>
  JSON.stringify([survey, tile, band]);
