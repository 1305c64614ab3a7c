/** Tiles of many places: cells are asked for some hundred at a time, and what they hold is kept for the places that follow. */
import { type Db, read } from '@darkroom/records';
import { sql } from 'drizzle-orm';
import { circleAround } from '../../sphere/circle.ts';
import { cellOf, cellsOfPolygon } from '../../sphere/healpix.ts';
import { depthOf, overlaps } from '../../sphere/polygon.ts';
import { cross, degree, dot, toVector, unit, type Vector } from '../../sphere/vector.ts';
import { cellOrder, type FoundFile, fileOf, filesNear, polygonFrom, type SurveyTile } from './tiles.ts';

/** One band of a tile, wherever it is looked from. */
export interface KnownTile extends Omit<SurveyTile, 'depth'> {
  /** Right angles to the great circle through its first row: how far a place is above it tells the order of rows. */
  readonly up: Vector;
}

export interface FoundTile extends SurveyTile {
  readonly up: Vector;
}

/** A place, and how far around it tiles are wanted that do not hold it, degrees. */
export interface Place {
  readonly centre: Vector;
  readonly reach?: number | undefined;
}

/** Degrees, 0.4″: what is on a border is not lost by rounding. */
const hair = 1e-4;

/** Cells that are kept, and cells of one statement. */
const keptCells = 20_000;
const cellsAtOnce = 500;

/** Finds the tiles of one survey. What it has found once it goes on giving: for one pass over a list, while the index stands still. */
export class TileFinder {
  readonly #db: Db;
  readonly #survey: string;
  readonly #byCell = new Map<number, readonly KnownTile[]>();
  /** By their ids in the index, so that a tile of several cells is one. */
  readonly #tiles = new Map<string, KnownTile>();

  constructor(db: Db, survey: string) {
    this.#db = db;
    this.#survey = survey;
  }

  /** Of each place the tiles that hold it, or reach into the circle about it; those first that it lies deepest within, negative outside. */
  async find(places: readonly Place[], signal: AbortSignal): Promise<FoundTile[][]> {
    const cells = places.map(({ centre, reach }) => {
      const own = cellOf(centre, cellOrder);
      const around = reach === undefined ? [] : cellsOfPolygon(circleAround(centre, reach), cellOrder);
      return around.includes(own) ? around : [own, ...around];
    });
    await this.#load(new Set(cells.flat()), signal);
    return places.map((place, i) => this.#at(place, cells[i]!));
  }

  #at({ centre, reach }: Place, cells: readonly number[]): FoundTile[] {
    const area = reach === undefined ? undefined : circleAround(centre, reach);
    const near = new Set(cells.flatMap((cell) => this.#byCell.get(cell) ?? []));
    const found: FoundTile[] = [];
    for (const tile of near) {
      // Most tiles of a cell are nowhere near.
      const { centre: middle, radius } = tile.footprint;
      if (dot(middle, centre) < Math.cos(Math.min(180, radius + (reach ?? 0) + hair) * degree)) continue;
      const depth = depthOf(tile.footprint, centre);
      if (depth >= 0 || (area !== undefined && overlaps(tile.footprint, area)))
        found.push({ ...tile, depth });
    }
    return found.sort((a, b) => b.depth - a.depth || (a.tile < b.tile ? -1 : 1));
  }

  async #load(cells: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
    if (this.#byCell.size + cells.size > keptCells) {
      this.#byCell.clear();
      this.#tiles.clear();
    }
    const unknown = [...cells].filter((cell) => !this.#byCell.has(cell));
    for (let from = 0; from < unknown.length; from += cellsAtOnce) {
      signal.throwIfAborted();
      await this.#loadSome(unknown.slice(from, from + cellsAtOnce));
    }
  }

  async #loadSome(cells: readonly number[]): Promise<void> {
    const survey = this.#survey;
    const filed = await filesOfCells(this.#db, survey, cells);
    const fresh = [...new Set(filed.map(({ file }) => file))].filter((file) => !this.#tiles.has(file));
    for (const files of Map.groupBy(await tilesOf(this.#db, fresh), ({ id }) => id).values()) {
      const { id, tile, band, footprint } = files[0]!;
      this.#tiles.set(id, {
        tile,
        band,
        footprint: polygonFrom(footprint),
        up: upOf(footprint),
        planes: Object.fromEntries(files.map((file) => [file.plane, fileOf(file)])),
      });
    }
    const ofCell = Map.groupBy(filed, ({ cell }) => cell);
    for (const cell of cells)
      this.#byCell.set(
        cell,
        (ofCell.get(cell) ?? []).flatMap(({ file }) => this.#tiles.get(file) ?? []),
      );
  }
}

/** Sine of the angle of a place above the first row of a tile. */
export const heightOn = ({ up }: Pick<KnownTile, 'up'>, place: Vector): number => dot(up, place);

/** Corners stand counter-clockwise in pixels from the first pixel's on: their first quarter is the edge of the first row. */
function upOf(footprint: readonly number[]): Vector {
  const corner = footprint.length / 8;
  const at = (i: number): Vector => toVector(footprint[2 * i]!, footprint[2 * i + 1]!);
  const [first, second, third] = [at(0), at(corner), at(2 * corner)];
  const up = unit(cross(first, second));
  // A tile may be seen from behind: its rows go up all the same.
  return dot(up, third) < 0 ? [-up[0], -up[1], -up[2]] : up;
}

const filesOfCells = read(
  async (db: Db, survey: string, cells: readonly number[]): Promise<{ cell: number; file: string }[]> => {
    const { rows } = await db.execute<{ cell: number; file: string }>(sql`
      select cell, file from survey_cells where survey = ${survey} and cell = any(${sql.param(cells)}::int[])`);
    return rows;
  },
);

const tilesOf = read(async (db: Db, ids: readonly string[]): Promise<FoundFile[]> => {
  if (ids.length === 0) return [];
  const near = sql`select unnest(${sql.param(ids)}::bigint[]) as file`;
  return (await db.execute<FoundFile>(filesNear(near))).rows;
});
