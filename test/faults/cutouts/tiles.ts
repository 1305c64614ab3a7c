/** Tiles of small surveys, compressed row by row: noise, side by side on the sky with some pixels in common; and what may be damaged in them. */

import { memorySource } from '@darkroom/sky/bytes/memory.ts';
import { openFits } from '@darkroom/sky/fits/read/open.ts';
import { writeFits } from '@darkroom/sky/fits/write/file.ts';
import { variates } from '@darkroom/sky/fits/write/testing/files.ts';
import { blockBytes } from '@darkroom/sky/survey/checked/checksums.ts';
import type { SurveyDefinition } from '@darkroom/sky/survey/definition/definition.ts';
import { smallSurvey, tangentCards } from '@darkroom/sky/survey/testing.ts';

/** Pixels of a tile each way. */
export const side = 400;
const scale = 1 / 3600;
/** Pixels that neighbours have in common: cutouts of more at the edge are made of both. */
const common = 12;
const [ra, dec] = [150, 2];
const perPixel = scale / Math.cos((dec * Math.PI) / 180);

export const surveyOf = (name: string, bucket: string): SurveyDefinition => ({
  ...smallSurvey,
  name,
  root: `s3://${bucket}/${name}/`,
});

const middleOf = (tile: number): number => ra - tile * (side - common) * perPixel;

export function tileFile(tile: number): Buffer {
  const next = variates(tile + 1);
  const data = Float32Array.from(
    { length: side * side },
    () => 100 + 5 * (next() + next() + next() + next() - 2),
  );
  const cards = tangentCards([middleOf(tile), dec], { width: side, height: side, scale });
  const compress = { dither: 'SUBTRACTIVE_DITHER_2', seed: tile + 1 } as const;
  return Buffer.from(writeFits([{ plane: { width: side, height: side, data }, cards, compress }]));
}

/** A row of a list. */
export interface Row {
  readonly id: string;
  /** From 0. */
  readonly tile: number;
  /** Of the middle, pixels of the tile from its lower left corner. */
  readonly x: number;
  readonly y: number;
  /** Degrees. */
  readonly ra: number;
  readonly dec: number;
}

/** Rows that lie on so many tiles in turn, at most as far out as their middle is on the tile. */
export function rowsOn(tiles: number, count: number): Row[] {
  const next = variates(9);
  return Array.from({ length: count }, (_, i) => {
    const tile = i % tiles;
    const [x, y] = [3 + next() * (side - 6), 3 + next() * (side - 6)];
    return {
      id: `s${String(i + 1).padStart(5, '0')}`,
      ...{ tile, x, y },
      ra: middleOf(tile) - (x - side / 2) * perPixel,
      dec: dec + (y - side / 2) * scale,
    };
  });
}

export const csvOf = (rows: readonly Row[]): string =>
  `id,ra,dec\n${rows.map((row) => `${row.id},${row.ra.toFixed(8)},${row.dec.toFixed(8)}\n`).join('')}`;

/** Where the compressed rows of a tile's image lie in its file: start, end. */
async function rowsIn(file: Buffer): Promise<[number, number][]> {
  const { hdus } = await openFits(memorySource(file, 'tile'));
  const table = hdus[1];
  if (table === undefined) throw new Error('The image is in the first extension.');
  const [length, count] = [table.header.integer('NAXIS1'), table.header.integer('NAXIS2')] as const;
  const heap = table.dataOffset + length * count;
  return Array.from({ length: count }, (_, row) => {
    const at = table.dataOffset + row * length;
    const start = heap + file.readInt32BE(at + 4);
    return [start, start + file.readInt32BE(at)];
  });
}

/** The same file, of which the bytes of one row are flipped; and the rows, from and to, that lie in the blocks which no longer are what they were. */
export async function damaged(
  file: Buffer,
  row: number,
): Promise<{ file: Buffer; blocks: [number, number] }> {
  const rows = await rowsIn(file);
  const [start, end] = rows[row]!;
  const changed = Buffer.from(file);
  for (let at = start; at < end; at++) changed[at]! ^= 0xff;
  const blockOf = (at: number): number => Math.floor(at / blockBytes);
  const touched = rows.flatMap(([from, to], i) =>
    blockOf(to - 1) >= blockOf(start) && blockOf(from) <= blockOf(end - 1) ? [i] : [],
  );
  return { file: changed, blocks: [Math.min(...touched), Math.max(...touched)] };
}
