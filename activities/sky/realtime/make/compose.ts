/** From a call to the file: bands are cut, or joined, and become FITS or a picture. */
import type { CutoutFacts, CutoutTimings, PlaneKind } from '@darkroom/contract';
import { cutFile } from '../../cut/file.ts';
import { SkyError } from '../../errors.ts';
import type { CardValue } from '../../fits/card.ts';
import type { FitsImage } from '../../fits/read/file.ts';
import { physical } from '../../fits/read/physical.ts';
import type { Level } from '../../picture/algorithms/levels.ts';
import type { Look } from '../../picture/look.ts';
import { directionAt } from '../../picture/orientation.ts';
import { makePicture } from '../../picture/picture.ts';
import { type CutoutCall, type CutoutSource, cutterVersion } from '../call.ts';
import { type BandGrid, type BandTile, type CutBand, cutBand } from './bands.ts';
import { ownGrid } from './own-grid.ts';

/** What is read and summed for mosaics at once, bytes. */
const memoryBytes = 128 * 2 ** 20;

export interface ComposedFile {
  readonly file: Buffer;
  readonly facts: Omit<CutoutFacts, 'verified'>;
  /** Milliseconds. */
  readonly timings: CutoutTimings;
}

/** Opens a file of the survey. Throws SkyError, and what the store throws. */
export type OpenSource = (source: CutoutSource) => Promise<FitsImage>;

/** Throws SkyError, what opening and reading throw, or the signal's reason. */
export async function composeFile(
  call: CutoutCall,
  open: OpenSource,
  signal: AbortSignal,
): Promise<ComposedFile> {
  const { request } = call;
  const began = performance.now();
  const bands = await cutBands(call, open, signal);
  signal.throwIfAborted();
  const read = performance.now() - began;
  const first = bands[0]!;
  const made = request.picture === null ? fitsOf(call, bands) : await pictureOf(call, bands);
  const { width, height } = first.planes.image?.plane ?? Object.values(first.planes)[0]!.plane;
  return {
    file: made.file,
    facts: {
      coverage: Math.min(...bands.map((band) => Object.values(band.planes)[0]!.coverage)),
      mode: bands.some(({ mode }) => mode === 'mosaic') ? 'mosaic' : first.mode,
      tiles: [...new Set(bands.flatMap(({ tiles }) => tiles))],
      width,
      height,
      warnings: [
        ...new Set(bands.flatMap(({ warnings }) => warnings.map(({ message }) => message))),
        ...made.warnings,
      ],
      levels: made.levels,
    },
    timings: { read, write: performance.now() - began - read },
  };
}

/** One after the other where a picture needs them on one grid, else side by side. */
async function cutBands(call: CutoutCall, open: OpenSource, signal: AbortSignal): Promise<CutBand[]> {
  const { request, survey } = call;
  const provenance: Record<string, CardValue> = {
    SURVEY: survey.name,
    RELEASE: survey.release,
    VERSION: cutterVersion,
    VERIFIED: call.sources.every(({ verified }) => verified),
    REQUEST: wordsOf(call),
  };
  const opened = await Promise.all(
    request.bands.map(async (band) => ({ band, tiles: await openTiles(call, band, open) })),
  );
  const cut = (of: (typeof opened)[number], onto?: BandGrid): Promise<CutBand> => {
    const told = survey.bands.find(({ name }) => name === of.band);
    return cutBand({
      ...request,
      tiles: of.tiles,
      mask: survey.mask ?? undefined,
      unit: told?.unit ?? null,
      zeroPoint: told?.zeroPoint ?? null,
      provenance: { ...provenance, BAND: of.band },
      memoryBytes,
      onto,
      signal,
    });
  };
  const [first, ...others] = opened;
  const own = ownGrid(request, first!.tiles[0]!.planes.image);
  if (own !== undefined || request.picture === null || others.length === 0)
    return Promise.all(opened.map((of) => cut(of, own)));
  const lead = await cut(first!);
  return [lead, ...(await Promise.all(others.map((of) => cut(of, lead.grid))))];
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

interface Made {
  readonly file: Buffer;
  readonly levels: CutoutFacts['levels'];
  readonly warnings: readonly string[];
}

function fitsOf({ request }: CutoutCall, bands: readonly CutBand[]): Made {
  const planes = bands.flatMap(({ planes: made }, i) =>
    request.planes.flatMap((name) => {
      const plane = made[name];
      const band = request.bands[i] ?? '';
      return plane === undefined ? [] : { name: name === 'image' ? band : `${band}_${name}`, plane };
    }),
  );
  const file = cutFile(planes, request.compress === 'rice' ? { compress: {} } : {});
  return { file: Buffer.from(file.buffer, file.byteOffset, file.byteLength), levels: null, warnings: [] };
}

async function pictureOf({ request }: CutoutCall, bands: readonly CutBand[]): Promise<Made> {
  const { picture, format } = request;
  if (picture === null || format === 'fits') throw new TypeError('No picture was asked for.');
  const [lead] = bands;
  const { wcs, centre } = lead!;
  const given = bands.map(({ planes }, i) => {
    const { plane, header } = planes.image!;
    return { name: request.bands[i] ?? '', plane: physical(plane, header) };
  });
  const { width, height } = given[0]!.plane;
  for (const { name, plane } of given)
    if (plane.width !== width || plane.height !== height)
      throw new SkyError(
        'incompatible_tiles',
        `Band ${name} has another extent than ${given[0]!.name}; ask for mode=mosaic.`,
      );
  const { file, made } = await makePicture(given, {
    format,
    depth: picture.depth,
    look: lookOf(picture.algorithm, picture.settings),
    direction: directionAt(wcs, (width - 1) / 2, (height - 1) / 2),
    pixelScale: wcs.pixelScale,
    orientation: picture.orientation === 'north' ? 'north-up' : 'pixels',
    ...(picture.maxPixels !== null && { maxPixels: picture.maxPixels }),
    marks: {
      scaleBar: picture.scaleBar,
      compass: picture.compass,
      ...(picture.label !== null && { label: picture.label }),
      ...(picture.crosshair && { crosshair: { x: centre[0], y: centre[1] } }),
    },
    texts: {
      Request: `${request.survey} ${request.ra} ${request.dec} ${request.bands.join(',')}`,
      Software: cutterVersion,
    },
  });
  const missing = (['scaleBar', 'compass', 'label'] as const).filter(
    (mark) => picture[mark] !== false && picture[mark] !== null && made[mark] === undefined,
  );
  return {
    file,
    // What is JSON: of undefined fields nothing is left.
    levels: JSON.parse(JSON.stringify(made)),
    warnings: missing.map((mark) => `The picture has no room for its ${mark}.`),
  };
}

type Picture = NonNullable<CutoutCall['request']['picture']>;

function lookOf(algorithm: Picture['algorithm'], settings: Picture['settings']): Look {
  const { stretch, q, gamma, saturation } = settings;
  const minimum = levelsOf(settings.minimum) ?? levelOf(settings.quantiles?.[0]);
  const maximum = levelsOf(settings.maximum) ?? levelOf(settings.quantiles?.[1]);
  if (algorithm === 'zscale') return { algorithm };
  const least = minimum === undefined ? {} : { minimum };
  const most = maximum === undefined ? {} : { maximum };
  if (algorithm === 'lupton')
    return { algorithm, ...least, ...(stretch !== undefined && { stretch }), ...(q !== undefined && { q }) };
  if (algorithm === 'asinh') return { algorithm, ...least, ...most };
  return {
    algorithm,
    ...least,
    ...most,
    ...(gamma !== undefined && { gamma }),
    ...(saturation !== undefined && { saturation }),
  };
}

/** One for all bands, or one for each. */
function levelsOf(values: readonly number[] | undefined): Level | Level[] | undefined {
  const levels = values?.map((value): Level => ({ type: 'manual', value }));
  return levels?.length === 1 ? levels[0] : levels;
}

const levelOf = (quantile: number | undefined): Level | undefined =>
  quantile === undefined ? undefined : { type: 'quantile', quantile };
