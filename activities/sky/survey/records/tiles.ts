/** Which tiles hold a place, or reach into an area: HEALPix cells find the few that may, their exact footprints decide. */
import { type Db, read } from '@darkroom/records';
import { type SQL, sql } from 'drizzle-orm';
import { cellCentre, cellOf, cellRadius, cellsOfPolygon } from '../../sphere/healpix.ts';
import {
  areaOf,
  depthOf,
  inward,
  nearestTo,
  overlaps,
  polygonOfSky,
  type SphericalPolygon,
} from '../../sphere/polygon.ts';
import { separation, toLonLat, type Vector } from '../../sphere/vector.ts';
import type { PlaneName } from '../definition/definition.ts';

/** Of the cells in `survey_cells`: 13.7′ across, about as large as a tile. Rows have it: another one takes a migration. */
export const cellOrder = 8;

/** A file of a tile, pinned as it was indexed. */
export interface TileFile {
  readonly uri: string;
  readonly etag: string;
  readonly bytes: number;
  readonly hdu: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Degrees. */
  readonly pixelScale: number;
  /** Whether `--verify` has checksums of it as it is. */
  readonly verified: boolean;
}

/** One band of a tile. */
export interface SurveyTile {
  readonly tile: string;
  readonly band: string;
  readonly footprint: SphericalPolygon;
  /** Degrees that the place lies within the border of the image, negative outside. */
  readonly depth: number;
  /** `image` is always there. */
  readonly planes: Readonly<Partial<Record<PlaneName, TileFile>>>;
}

export interface TileQuery {
  readonly survey: string;
  /** Absent: all. */
  readonly bands?: readonly string[] | undefined;
  readonly centre: Vector;
  /** Tiles that reach into it, beside those that hold the centre. */
  readonly area?: SphericalPolygon | undefined;
}

/** As rows have it. */
export interface FoundFile extends Record<string, unknown> {
  /** Of the image. */
  id: string;
  tile: string;
  band: string;
  footprint: number[];
  plane: PlaneName;
  uri: string;
  etag: string;
  bytes: string;
  hdu: number;
  width: number;
  height: number;
  pixel_scale: number;
  verified: boolean;
}

/** All files of tiles by the images that are `near`, a query of their ids as `file`; of some bands, or of all. */
export const filesNear = (near: SQL, bands?: TileQuery['bands']) => sql`
  select i.id, i.tile, i.band, i.footprint, p.plane, p.uri, p.etag, p.bytes, p.hdu, p.width, p.height, p.pixel_scale,
    exists (select 1 from survey_checksums s where s.survey = p.survey and s.uri = p.uri and s.etag = p.etag) as verified
  from (${near}) near
  join survey_files i on i.id = near.file
  join survey_files p on p.survey = i.survey and p.tile = i.tile and p.band in (i.band, '')
  ${bands === undefined ? sql`` : sql`where i.band = any(${sql.param(bands)}::text[])`}`;

/** The files of all bands whose image touches one of the cells. */
export const tilesIn = ({
  survey,
  bands,
  cells,
}: Pick<TileQuery, 'survey' | 'bands'> & { readonly cells: readonly number[] }) =>
  filesNear(
    sql`select distinct file from survey_cells where survey = ${survey} and cell = any(${sql.param(cells)}::int[])`,
    bands,
  );

/** Tiles that hold the centre or reach into the area, those first that the centre lies deepest within; empty where nothing is covered. */
export const findTiles = read(async (db: Db, query: TileQuery): Promise<SurveyTile[]> => {
  const { survey, bands, centre, area } = query;
  const cells = area === undefined ? [] : cellsOfPolygon(area, cellOrder);
  const own = cellOf(centre, cellOrder);
  if (!cells.includes(own)) cells.push(own);
  const { rows } = await db.execute<FoundFile>(tilesIn({ survey, bands, cells }));
  const tiles: SurveyTile[] = [];
  for (const files of Map.groupBy(rows, ({ tile, band }) => JSON.stringify([tile, band])).values()) {
    const { tile, band, footprint: corners } = files[0]!;
    const footprint = polygonFrom(corners);
    const depth = depthOf(footprint, centre);
    if (depth < 0 && (area === undefined || !overlaps(footprint, area))) continue;
    const planes = Object.fromEntries(files.map((file) => [file.plane, fileOf(file)]));
    tiles.push({ tile, band, footprint, depth, planes });
  }
  return tiles.sort((a, b) => b.depth - a.depth || (a.tile < b.tile ? -1 : 1));
});

export const fileOf = ({
  uri,
  etag,
  bytes,
  hdu,
  width,
  height,
  pixel_scale: pixelScale,
  verified,
}: FoundFile): TileFile => ({
  uri,
  etag,
  bytes: Number(bytes),
  hdu,
  width,
  height,
  pixelScale,
  verified,
});

/** A polygon of longitudes and latitudes in turn, as rows have it. */
export function polygonFrom(corners: readonly number[]): SphericalPolygon {
  const pairs = Array.from({ length: corners.length / 2 }, (_, i): [number, number] => [
    corners[2 * i]!,
    corners[2 * i + 1]!,
  ]);
  return polygonOfSky(pairs);
}

export interface Covered {
  /** Degrees, ICRS: a hair within the border, so that it is covered when it is asked for. */
  readonly ra: number;
  readonly dec: number;
  /** Degrees from the place that was asked for; 0 where that is covered itself. */
  readonly distance: number;
}

/** Orders of the cells that are gone through on the way to the nearest tile. */
const steps = [0, 2, 4, 6, cellOrder];
/** Degrees within the border, 0.04″. */
const hair = 1e-5;

/**
 * The place nearest to `place` that an image of the survey covers; undefined where there is none. Cells that have tiles are narrowed down from
 * the twelve of order 0: a few statements, however far it is.
 */
export async function nearestCovered(
  db: Db,
  {
    survey,
    bands,
    place,
  }: { readonly survey: string; readonly bands?: readonly string[]; readonly place: Vector },
): Promise<Covered | undefined> {
  let cells = Array.from({ length: 12 }, (_, base) => base);
  for (const [i, order] of steps.entries()) {
    if (i > 0) {
      const finer = 4 ** (order - steps[i - 1]!);
      cells = cells.flatMap((cell) => Array.from({ length: finer }, (_, part) => cell * finer + part));
    }
    const there = await cellsWithTiles(db, { survey, cells, order });
    const [radius, finest] = [cellRadius(order), cellRadius(cellOrder)];
    const far = there.map((cell) => separation(cellCentre(cell, order), place));
    // A cell that has a tile has a covered place within it or its smallest part's radius; none is nearer than its border.
    const surely = Math.min(...far) + radius + finest;
    cells = there.filter((_, at) => far[at]! - radius <= surely);
    if (cells.length === 0) return undefined;
  }
  let best:
    | { readonly at: Vector; readonly footprint: SphericalPolygon; readonly distance: number }
    | undefined;
  for (const corners of await footprintsIn(db, { survey, bands, cells })) {
    const footprint = polygonFrom(corners);
    const at = nearestTo(footprint, place);
    const distance = separation(at, place);
    if (best === undefined || distance < best.distance) best = { at, footprint, distance };
  }
  if (best === undefined) return undefined;
  const [ra, dec] = toLonLat(best.distance === 0 ? best.at : inward(best.footprint, best.at, hair));
  return { ra, dec, distance: best.distance };
}

/** Those of `cells`, of any order up to {@link cellOrder}, that have a tile. */
const cellsWithTiles = read(
  async (
    db: Db,
    { survey, cells, order }: { survey: string; cells: readonly number[]; order: number },
  ): Promise<number[]> => {
    const size = 4 ** (cellOrder - order);
    const { rows } = await db.execute<{ cell: number }>(sql`
      select cell from unnest(${sql.param(cells)}::int[]) cell where exists (
        select 1 from survey_cells c where c.survey = ${survey} and c.cell >= cell.cell * ${size}::int
          and c.cell < (cell.cell + 1) * ${size}::int)`);
    return rows.map(({ cell }) => cell);
  },
);

const footprintsIn = read(
  async (
    db: Db,
    {
      survey,
      bands,
      cells,
    }: { survey: string; bands?: readonly string[] | undefined; cells: readonly number[] },
  ): Promise<number[][]> => {
    const { rows } = await db.execute<{ footprint: number[] }>(sql`
      select distinct f.footprint from survey_cells c join survey_files f on f.id = c.file
      where c.survey = ${survey} and c.cell = any(${sql.param(cells)}::int[])
        ${bands === undefined ? sql`` : sql`and f.band = any(${sql.param(bands)}::text[])`}`);
    return rows.map(({ footprint }) => footprint);
  },
);

/** The footprints of all images of a survey, each once. */
export const footprintsOf = read(async (db: Db, survey: string): Promise<SphericalPolygon[]> => {
  const { rows } = await db.execute<{ footprint: number[] }>(sql`
    select distinct footprint from survey_files where survey = ${survey} and plane = 'image'`);
  return rows.map(({ footprint }) => polygonFrom(footprint)).sort((a, b) => areaOf(b) - areaOf(a));
});
