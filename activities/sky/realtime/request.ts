/** From what a request says to what is to be made: all that it leaves open filled in, so that equal requests are equal. */
import {
  type CutoutQuery,
  type CutoutRequest,
  type PlaneKind,
  ProblemError,
  planeKind,
} from '@darkroom/contract';
import { parseDec, parsePixelScale, parseRa, parseSize } from '../cut/request.ts';
import { SkyError } from '../errors.ts';
import { withoutGlyph } from '../picture/overlay/glyphs.ts';
import type { SurveyDefinition } from '../survey/definition/definition.ts';

/** What each algorithm can be told. */
const settingsOf = {
  lupton: ['stretch', 'q', 'minimum'],
  stiff: ['minimum', 'maximum', 'quantiles', 'gamma', 'saturation'],
  asinh: ['minimum', 'maximum', 'quantiles'],
  zscale: [],
} as const satisfies Record<string, readonly (keyof CutoutQuery)[]>;
const allSettings = [...new Set(Object.values(settingsOf).flat())];
const ofPictures = [
  'algorithm',
  ...allSettings,
  'maxPixels',
  'depth',
  'orientation',
  'scaleBar',
  'crosshair',
  'compass',
  'label',
] as const;

/** Throws `validation_failed` naming the field, `unknown_band`. */
export function resolveRequest(query: CutoutQuery, survey: SurveyDefinition): CutoutRequest {
  const { format, mode, compress } = query;
  const isPicture = format !== 'fits';
  const size = field('size', () => parseSize(query.size ?? survey.defaults.size));
  const grid = gridOf(query);
  const bands = bandsOf(query, survey, isPicture);
  const planes = planesOf(query, survey);
  if (isPicture && planes.join() !== 'image')
    refuse('planes', 'a picture has the image alone; ask for format=fits');
  if (isPicture && compress !== 'none') refuse('compress', 'is for format=fits');
  if (query.resampling !== undefined && mode !== 'mosaic' && grid === null)
    refuse('resampling', 'is of neighbours, or of a grid of its own; ask for mode=mosaic, or with pixscale');
  if (!isPicture)
    for (const name of ofPictures)
      if (query[name] !== undefined && query[name] !== false)
        refuse(name, 'is for pictures, not for format=fits');
  return {
    survey: survey.name,
    ra: field('ra', () => parseRa(query.ra)),
    dec: field('dec', () => parseDec(query.dec)),
    size,
    grid,
    format,
    bands,
    planes,
    mode,
    resampling: query.resampling ?? 'lanczos3',
    compress,
    picture: isPicture ? pictureOf(query, survey, bands, grid) : null,
  };
}

/** A grid of its own, where one is asked for. */
function gridOf({ pixscale, rotation, mode }: CutoutQuery): CutoutRequest['grid'] {
  if (pixscale === undefined && rotation === undefined) return null;
  if (mode === 'clip')
    refuse('mode', 'clip is of the tile’s own grid; with pixscale or rotation take mosaic or primary');
  return {
    pixelScale: pixscale === undefined ? null : field('pixscale', () => parsePixelScale(pixscale)),
    // Adding 360 makes 0 of -0, too.
    rotation: (((rotation ?? 0) % 360) + 360) % 360,
  };
}

function pictureOf(
  query: CutoutQuery,
  survey: SurveyDefinition,
  bands: readonly string[],
  grid: CutoutRequest['grid'],
): NonNullable<CutoutRequest['picture']> {
  const { defaults } = survey;
  const algorithm = query.algorithm ?? (bands.length === 1 ? 'zscale' : defaults.algorithm);
  if (bands.length === 2) refuse('bands', 'a picture has one band, or three as red, green and blue');
  if (bands.length > 3) refuse('bands', 'a picture has three bands at most, as red, green and blue');
  if (bands.length === 3 && (algorithm === 'zscale' || algorithm === 'asinh'))
    refuse('algorithm', `${algorithm} is for one band; take lupton or stiff for three`);
  for (const name of allSettings)
    if (query[name] !== undefined && !(settingsOf[algorithm] as readonly string[]).includes(name))
      refuse(name, `is no setting of ${algorithm}`);
  for (const name of ['minimum', 'maximum'] as const) {
    const count = query[name]?.length ?? 1;
    if (count !== 1 && count !== bands.length)
      refuse(name, `give one for all bands, or one for each of ${bands.join(', ')}`);
  }
  if (query.depth === 16 && query.format !== 'png')
    refuse('depth', `${query.format} has 8 bits; take png for 16`);
  const { label } = query;
  const unknown = label === undefined ? undefined : withoutGlyph(label);
  if (unknown !== undefined)
    refuse('label', `there is no letter for ${JSON.stringify(unknown)}; there are ASCII, ′, ″ and °`);
  if (label?.trim() === '') refuse('label', 'is empty');
  const given = Object.fromEntries(
    allSettings.flatMap((name) => (query[name] === undefined ? [] : [[name, query[name]]])),
  );
  return {
    algorithm,
    settings: { ...surveySettings(survey, algorithm, bands), ...given },
    maxPixels: query.maxPixels ?? null,
    depth: query.depth ?? 8,
    // Whoever says how the grid is turned does not want it turned back.
    orientation: query.orientation ?? (grid === null ? 'north' : 'pixels'),
    scaleBar: query.scaleBar,
    crosshair: query.crosshair,
    compass: query.compass,
    label: label?.trim() ?? null,
  };
}

/** What the survey says for its own three bands, asked for as they stand there. */
function surveySettings(
  { defaults }: SurveyDefinition,
  algorithm: string,
  bands: readonly string[],
): NonNullable<CutoutRequest['picture']>['settings'] {
  if (algorithm !== defaults.algorithm || bands.join() !== (defaults.bands ?? []).join()) return {};
  const { stretch, q, minimum, levels } = defaults;
  if (algorithm === 'lupton')
    return {
      ...(stretch !== undefined && { stretch }),
      ...(q !== undefined && { q }),
      ...(minimum !== undefined && { minimum: [minimum].flat() }),
    };
  return levels === undefined
    ? {}
    : { minimum: levels.map(([least]) => least), maximum: levels.map(([, most]) => most) };
}

function bandsOf({ bands }: CutoutQuery, survey: SurveyDefinition, isPicture: boolean): string[] {
  const all = survey.bands.map(({ name }) => name);
  if (bands === undefined) return isPicture ? [...(survey.defaults.bands ?? all.slice(0, 1))] : all;
  const asked = listOf('bands', bands);
  for (const band of asked)
    if (!all.includes(band))
      throw new ProblemError('unknown_band', `${survey.name} has no band ${band}; it has ${all.join(', ')}.`);
  return asked;
}

function planesOf({ planes }: CutoutQuery, survey: SurveyDefinition): PlaneKind[] {
  if (planes === undefined) return ['image'];
  const asked = listOf('planes', planes);
  const has = planeKind.options.filter((name) => survey.planes[name] !== undefined);
  for (const plane of asked)
    if (!has.some((name) => name === plane))
      throw new ProblemError(
        'unknown_band',
        `${survey.name} has no plane ${plane}; it has ${has.join(', ')}.`,
      );
  // In one order, whatever the request's: the image first.
  return has.filter((name) => asked.includes(name));
}

function listOf(name: 'bands' | 'planes', text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.includes('')) refuse(name, 'has an empty name; write them with commas between');
  if (new Set(parts).size < parts.length) refuse(name, 'names one twice');
  return parts;
}

function field<T>(name: keyof CutoutQuery, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SkyError) refuse(name, error.message);
    throw error;
  }
}

function refuse(name: keyof CutoutQuery, detail: string): never {
  throw new ProblemError('validation_failed', `${name}: ${detail}.`, {
    errors: [{ pointer: `/query/${name}`, detail }],
  });
}
