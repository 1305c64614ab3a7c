/** From a call to the file: bands are cut, or joined, and become FITS or a picture, strip by strip in the memory that there is for it. */
import { type CutoutFacts, type CutoutTimings, type PlaneKind, ProblemError } from '@darkroom/contract';
import { placeCut } from '../cut/place.ts';
import type { CardValue } from '../fits/card.ts';
import type { FitsImage } from '../fits/read/file.ts';
import { parseWcs } from '../wcs/parse.ts';
import type { BandGrid, BandMade, BandTile, CutBand } from './band/band.ts';
import { planBand } from './band/bands.ts';
import { ownGrid } from './band/own-grid.ts';
import { MadeBytes } from './bytes.ts';
import { type CutoutCall, type CutoutSource, cutterVersion } from './call.ts';
import { type NamedBand, writeBands } from './fits.ts';
import { type CutoutMemory, drawingBytes, type Plan, planMemory } from './memory.ts';
import { drawBands, valueBytesOf } from './pictures.ts';

export interface ComposedFile {
  /** To be disposed of: the memory that it holds goes back then. */
  readonly file: MadeBytes;
  readonly facts: Omit<CutoutFacts, 'verified'>;
  /** Milliseconds. */
  readonly timings: CutoutTimings;
}

/** Opens a file of the survey. Throws SkyError, and what the store throws. */
export type OpenSource = (source: CutoutSource) => Promise<FitsImage>;

/** Where cutouts are made. */
export interface Room {
  /** Of all that are under way in this process. */
  readonly memory: CutoutMemory;
  /** For files that are too large for it. */
  readonly folder: string;
}

/** A band of a request, and the tiles that it is made of. */
interface OpenBand {
  readonly name: string;
  readonly tiles: readonly BandTile[];
}

/** Throws SkyError, what opening and reading throw, `cutout_too_large` for a picture that there is no memory for, or the signal's reason. */
export async function composeFile(
  call: CutoutCall,
  open: OpenSource,
  signal: AbortSignal,
  { memory, folder }: Room,
): Promise<ComposedFile> {
  const { request } = call;
  const opened = await Promise.all(
    request.bands.map(async (name) => ({ name, tiles: await openTiles(call, name, open) })),
  );
  const plan = planOf(call, opened, memory);
  using held = new DisposableStack();
  held.use(await memory.take(plan.bytes, signal));
  const began = performance.now();
  const bands = await planBands(call, opened, plan, signal);
  const { parts, made, writing, levels, warnings } = await madeOf(call, bands, plan, { folder, held });
  const [first] = bands;
  if (first === undefined) throw new TypeError('A cutout has a band.');
  const { mode, width, height } = first.band;
  return {
    file: new MadeBytes(parts, held.move()),
    facts: {
      coverage: Math.min(...made.map(({ coverage }) => coverage)),
      mode: bands.some(({ band }) => band.mode === 'mosaic') ? 'mosaic' : mode,
      tiles: [...new Set(made.flatMap(({ tiles }) => tiles))],
      width,
      height,
      warnings: [
        ...new Set(made.flatMap((band) => band.warnings.map(({ message }) => message))),
        ...warnings,
      ],
      levels,
    },
    timings: { read: performance.now() - began - writing, write: writing },
  };
}

interface Made {
  readonly parts: ConstructorParameters<typeof MadeBytes>[0];
  readonly made: readonly BandMade[];
  readonly writing: number;
  readonly levels: CutoutFacts['levels'];
  readonly warnings: readonly string[];
}

async function madeOf(
  { request }: CutoutCall,
  bands: readonly NamedBand[],
  { isSmall }: Plan,
  { folder, held }: { readonly folder: string; readonly held: DisposableStack },
): Promise<Made> {
  if (request.picture === null) {
    const written = await writeBands(bands, request, { folder: isSmall ? undefined : folder, held });
    return { ...written, levels: null, warnings: [] };
  }
  const { file, ...drawn } = await drawBands(bands, request, { isSmall });
  return { ...drawn, parts: [file] };
}

/** What it takes, by the size that was asked for. Throws `cutout_too_large`, and as `placeCut` does. */
function planOf({ request }: CutoutCall, opened: readonly OpenBand[], memory: CutoutMemory): Plan {
  const images = opened.flatMap(({ tiles }) => tiles[0]?.planes.image ?? []);
  const [lead] = images;
  if (lead === undefined) throw new TypeError('A cutout is made of a tile.');
  const { ra, dec, size, planes, mode, picture } = request;
  const own = ownGrid(request, lead);
  const { width, height } = own?.box ?? placeCut(parseWcs(lead.header), ra, dec, size).box;
  const isMosaic =
    own !== undefined ||
    picture !== null ||
    (mode === 'mosaic' && opened.some(({ tiles }) => tiles.length > 1));
  const work = {
    pixels: width * height,
    bands: opened.length,
    // The image is read also where it is not asked for.
    planes: planes.includes('image') ? planes.length : planes.length + 1,
    isMosaic,
  };
  const plan = planMemory(work, memory.bytes);
  if (picture === null) return plan;
  const bitpixes = images.map(({ bitpix }) => bitpix);
  const of = { width, height };
  const bytes = plan.bytes + drawingBytes(of, opened.length, picture, valueBytesOf(of, bitpixes, picture));
  if (bytes > memory.largest)
    throw new ProblemError(
      'cutout_too_large',
      `A picture of ${width} × ${height} pixels takes ${bytes} bytes of memory, of which one may take ${memory.largest} (CUTOUT_MEMORY_BYTES). Ask for a smaller size, or with maxPixels.`,
    );
  return { ...plan, bytes };
}

/** In the order of the request; those of a picture on the grid of the first. */
async function planBands(
  call: CutoutCall,
  opened: readonly OpenBand[],
  { memoryBytes }: Plan,
  signal: AbortSignal,
): Promise<NamedBand[]> {
  const { request, survey } = call;
  const provenance: Record<string, CardValue> = {
    SURVEY: survey.name,
    RELEASE: survey.release,
    VERSION: cutterVersion,
    VERIFIED: call.sources.every(({ verified }) => verified),
    REQUEST: wordsOf(call),
  };
  const planOne = ({ name, tiles }: OpenBand, onto?: BandGrid): Promise<CutBand> => {
    const told = survey.bands.find((band) => band.name === name);
    return planBand({
      ...request,
      tiles,
      mask: survey.mask ?? undefined,
      unit: told?.unit ?? null,
      zeroPoint: told?.zeroPoint ?? null,
      provenance: { ...provenance, BAND: name },
      memoryBytes,
      onto,
      signal,
    });
  };
  const bands: NamedBand[] = [];
  const [image] = opened.flatMap(({ tiles }) => tiles[0]?.planes.image ?? []);
  let lead = image && ownGrid(request, image);
  for (const of of opened) {
    const band = await planOne(of, lead);
    if (request.picture !== null) lead ??= band.grid;
    bands.push({ name: of.name, band });
  }
  return bands;
}

/** The tiles of a band, each with its planes, in the order of the call. */
async function openTiles({ sources }: CutoutCall, band: string, open: OpenSource): Promise<BandTile[]> {
  const byTile = Map.groupBy(
    sources.filter((source) => source.band === band),
    ({ tile }) => tile,
  );
  return Promise.all(
    [...byTile].map(async ([name, files]) => {
      const planes = Object.fromEntries(
        await Promise.all(files.map(async (source) => [source.plane, await open(source)] as const)),
      ) as Partial<Record<PlaneKind, FitsImage>>;
      if (planes.image === undefined) throw new TypeError(`Of ${name} the image is missing.`);
      return { name, planes: { ...planes, image: planes.image } };
    }),
  );
}

/** What was asked for, as the file tells it. */
function wordsOf({ request }: CutoutCall): string {
  const { ra, dec, size, grid, mode, bands, planes } = request;
  const scale = grid?.pixelScale ? ` pixscale=${grid.pixelScale}deg` : '';
  const on = grid === null ? '' : `${scale} rotation=${grid.rotation}`;
  const side = ({ value, unit }: typeof size.width): string => `${value}${unit}`;
  return `ra=${ra} dec=${dec} size=${side(size.width)}x${side(size.height)}${on} mode=${mode} bands=${bands.join(',')} planes=${planes.join(',')}`;
}
