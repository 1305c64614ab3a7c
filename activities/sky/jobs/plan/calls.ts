/** From the items of a job to what is made: with the files that were pinned when it was planned. */
import { type CutoutItem, cutoutItem } from '@darkroom/contract';
import type { Db, ItemRow } from '@darkroom/records';
import type { CutoutCall } from '../../make/call.ts';
import { sourcesOf, surveyOfCall } from '../../survey/choose.ts';
import type { SurveyDefinition } from '../../survey/definition/definition.ts';
import { type CutoutTemplate, requestAt } from '../list/sets.ts';
import { type PinnedTile, pinnedTiles } from './pins.ts';

export interface CallsOf {
  readonly jobId: string;
  readonly sets: readonly CutoutTemplate[];
  readonly definitionOf: (survey: string) => SurveyDefinition;
}

/** Makes calls of a job's items; keeps the tiles of those that it has seen. */
export class Calls {
  readonly #db: Db;
  readonly #of: CallsOf;
  readonly #tiles = new Map<string, PinnedTile['planes']>();

  constructor(db: Db, of: CallsOf) {
    this.#db = db;
    this.#of = of;
  }

  /** Throws TypeError for an item that is no cutout of the job. */
  async callOf(item: Pick<ItemRow, 'input' | 'key'>): Promise<CutoutCall> {
    const { sets, definitionOf } = this.#of;
    const input = itemOf(item);
    const template = input && sets[input.set];
    if (input === undefined || template === undefined)
      throw new TypeError(`Item ${item.key} is no cutout of the job's sets.`);
    const { ra, dec, size = null } = input;
    const request = requestAt(template, { ra, dec, size });
    const { survey, bands } = request;
    await this.#load(survey, bands, input.tiles);
    const sources = bands.flatMap((band, i) =>
      (input.tiles[i] ?? []).flatMap((tile) => {
        const planes = this.#tiles.get(nameOf({ survey, tile, band }));
        if (planes === undefined) throw new TypeError(`${tile} of ${survey} in ${band} was not pinned.`);
        return sourcesOf({ tile, band, planes }, request);
      }),
    );
    return { request, survey: surveyOfCall(definitionOf(survey), bands), sources };
  }

  async #load(survey: string, bands: readonly string[], tiles: CutoutItem['tiles']): Promise<void> {
    const unknown = bands.flatMap((band, i) =>
      (tiles[i] ?? []).filter((tile) => !this.#tiles.has(nameOf({ survey, tile, band }))),
    );
    if (unknown.length === 0) return;
    const { jobId } = this.#of;
    for (const pinned of await pinnedTiles(this.#db, jobId, { survey, tiles: [...new Set(unknown)] }))
      this.#tiles.set(nameOf(pinned), pinned.planes);
  }
}

/** Undefined of a row that came to no cutout. */
export const itemOf = ({ input }: Pick<ItemRow, 'input'>): CutoutItem | undefined => {
  const parsed = cutoutItem.safeParse(input);
  return parsed.success && parsed.data.tiles.length > 0 ? parsed.data : undefined;
};

const nameOf = ({ survey, tile, band }: Pick<PinnedTile, 'survey' | 'tile' | 'band'>): string =>
  JSON.stringify([survey, tile, band]);
