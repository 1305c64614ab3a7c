/** From a call to the file: bands are cut, or joined, and become FITS or a picture, strip by strip in the memory that there is for it. */
import type { CutoutFacts, CutoutTimings } from '@darkroom/contract';
import type { CardValue } from '../fits/card.ts';
import type { BandGrid, BandMade, CutBand } from './band/band.ts';
import { planBand } from './band/bands.ts';
import { ownGrid } from './band/own-grid.ts';
import { MadeBytes } from './bytes.ts';
import { type CutoutCall, cutterVersion } from './call.ts';
import { type NamedBand, writeBands } from './fits.ts';
import type { CutoutMemory, Plan } from './memory.ts';
import { drawBands } from './pictures.ts';
import { type OpenBand, type OpenSource, openBands, planOf } from './plan.ts';

export interface ComposedFile {
  /** To be disposed of: the memory that it holds goes back then. */
  readonly file: MadeBytes;
  readonly facts: Omit<CutoutFacts, 'verified'>;
  /** Milliseconds. */
  readonly timings: CutoutTimings;
}

/** Where cutouts are made. */
export interface Room {
  /** Of all that are under way in this process. */
  readonly memory: CutoutMemory;
  /** For files that are too large for it. */
  readonly folder: string;
}

/** Throws SkyError, what opening and reading throw, `cutout_too_large` for a picture that there is no memory for, or the signal's reason. */
export async function composeFile(
  call: CutoutCall,
  open: OpenSource,
  signal: AbortSignal,
  { memory, folder }: Room,
): Promise<ComposedFile> {
  const opened = await openBands(call, open);
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

/** What was asked for, as the file tells it. */
function wordsOf({ request }: CutoutCall): string {
  const { ra, dec, size, grid, mode, bands, planes } = request;
  const scale = grid?.pixelScale ? ` pixscale=${grid.pixelScale}deg` : '';
  const on = grid === null ? '' : `${scale} rotation=${grid.rotation}`;
  const side = ({ value, unit }: typeof size.width): string => `${value}${unit}`;
  return `ra=${ra} dec=${dec} size=${side(size.width)}x${side(size.height)}${on} mode=${mode} bands=${bands.join(',')} planes=${planes.join(',')}`;
}
