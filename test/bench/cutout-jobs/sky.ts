/** A survey of as many tiles as a job is spread over: those of the bench of single cutouts, each put at a place of its own. */
import { readFile } from 'node:fs/promises';
import type { SurveyDefinition } from '@darkroom/sky/survey/definition/definition.ts';
import { surveyOf } from '../cutouts/platform.ts';
import { bands as allBands, middleOf, setCard, tilesOf } from '../cutouts/tiles.ts';

export const surveyName = 'bench';

/** Distinct files at most: from there on a tile has the pixels of an earlier one. */
const mostFiles = 20;

export interface SkySpec {
  /** Tiles of each band. */
  readonly tiles: number;
  /** Of each tile, a file each. */
  readonly bands: readonly string[];
  /** Pixels of a side. */
  readonly size: number;
}

/** The band that all surveys here have. */
export const theBand = 'r';

/** Middle of a tile, degrees. */
export const placeOf = (tile: number): { ra: number; dec: number } => middleOf(allBands.length * tile);

export const fileOf = (tile: number, band: string): string => `t${tile}-${band}.fits.fz`;

/**
 * Gives `put` each tile's file, as `name` and bytes. Files that are not there yet are made and kept; `made` is told of each. Their checksums are those of
 * the files they were.
 */
export async function putTiles(
  { tiles, bands, size }: SkySpec,
  made: (path: string) => void,
  put: (name: string, bytes: Buffer) => Promise<unknown>,
): Promise<void> {
  const files = await tilesOf('rows', Math.min(tiles * bands.length, mostFiles), size, made);
  for (let tile = 0; tile < tiles; tile++) {
    for (const [b, band] of bands.entries()) {
      const bytes = await readFile(files[(tile * bands.length + b) % files.length]!);
      setCard(bytes, 'CRVAL1', placeOf(tile).ra);
      await put(fileOf(tile, band), bytes);
    }
  }
}

export function definitionOf(root: string, { bands, size }: SkySpec): SurveyDefinition {
  const definition = surveyOf(surveyName, root, size);
  const own = definition.bands.filter(({ name }) => bands.includes(name));
  return own.length === definition.bands.length
    ? definition
    : { ...definition, bands: own, defaults: { size: '1arcmin', algorithm: 'lupton' } };
}
