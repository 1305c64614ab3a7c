/** Bands as a picture: averaged while they are read, where it is smaller than they are. */
import { setImmediate } from 'node:timers/promises';
import type { CutoutFacts, CutoutRequest } from '@darkroom/contract';
import { SkyError } from '../errors.ts';
import type { Bitpix } from '../fits/read/file.ts';
import { physical } from '../fits/read/physical.ts';
import type { Plane } from '../image/plane.ts';
import type { Level } from '../picture/algorithms/levels.ts';
import { AreaAverage, type Size } from '../picture/area-average.ts';
import type { Look } from '../picture/look.ts';
import { directionAt } from '../picture/orientation.ts';
import { makePicture } from '../picture/picture.ts';
import type { FloatPlane } from '../picture/raster.ts';
import type { BandMade } from './band/band.ts';
import { cutterVersion } from './call.ts';
import type { NamedBand } from './fits.ts';
import { drawnSize } from './memory.ts';

export interface Drawn {
  readonly file: Buffer;
  readonly levels: CutoutFacts['levels'];
  readonly warnings: readonly string[];
  readonly made: readonly BandMade[];
  /** Milliseconds of averaging, drawing and encoding; the rest of the time went into reading and cutting. */
  readonly writing: number;
}

type Picture = NonNullable<CutoutRequest['picture']>;

/** Bytes of a physical value of a band as it is drawn: what is averaged is in single precision, as are values of 16 bits and less. */
export function valueBytesOf(
  size: Size,
  bitpixes: readonly Bitpix[],
  picture: Pick<Picture, 'maxPixels'>,
): 4 | 8 {
  const { width, height } = drawnSize(size, picture);
  const isAveraged = width !== size.width || height !== size.height;
  return isAveraged || bitpixes.every((bitpix) => bitpix === 8 || bitpix === 16 || bitpix === -32) ? 4 : 8;
}

/** Bands one after the other, or side by side; all of one extent. Throws SkyError, and what reading throws. */
export async function drawBands(
  named: readonly NamedBand[],
  request: CutoutRequest,
  { isSmall }: { readonly isSmall: boolean },
): Promise<Drawn> {
  const { picture, format } = request;
  const [lead] = named;
  if (picture === null || format === 'fits' || lead === undefined)
    throw new TypeError('No picture was asked for.');
  const { wcs, centre, width, height } = lead.band;
  for (const { name, band } of named)
    if (band.width !== width || band.height !== height)
      throw new SkyError(
        'incompatible_tiles',
        `Band ${name} has another extent than ${lead.name}; ask for mode=mosaic.`,
      );
  let writing = 0;
  const to = drawnSize({ width, height }, picture);
  const one = async ({ name, band }: NamedBand) => {
    const rows = new Rows({ width, height }, to);
    const strips = band.strips();
    const header = band.planes.get('image')?.header({ coverage: 1, tiles: band.tiles });
    for (;;) {
      const { done, value } = await strips.next();
      if (done) return { made: value, given: { name, plane: rows.plane() } };
      if (value.image === undefined || header === undefined) throw new TypeError('A picture has the image.');
      const began = performance.now();
      rows.add(physical(value.image, header));
      writing += performance.now() - began;
      await setImmediate();
    }
  };
  const all: Awaited<ReturnType<typeof one>>[] = [];
  if (isSmall) all.push(...(await Promise.all(named.map(one))));
  else for (const band of named) all.push(await one(band));
  const began = performance.now();
  const { file, made } = await makePicture(
    all.map(({ given }) => given),
    {
      format,
      depth: picture.depth,
      look: lookOf(picture.algorithm, picture.settings),
      direction: directionAt(wcs, (width - 1) / 2, (height - 1) / 2),
      pixelScale: wcs.pixelScale,
      orientation: picture.orientation === 'north' ? 'north-up' : 'pixels',
      scaledFrom: { width, height },
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
    },
  );
  writing += performance.now() - began;
  const missing = (['scaleBar', 'compass', 'label'] as const).filter(
    (mark) => picture[mark] !== false && picture[mark] !== null && made[mark] === undefined,
  );
  return {
    file,
    // What is JSON: of undefined fields nothing is left.
    levels: JSON.parse(JSON.stringify(made)),
    warnings: missing.map((mark) => `The picture has no room for its ${mark}.`),
    made: all.map((band) => band.made),
    writing,
  };
}

/** Takes the rows of a band: averaged, or as they are. */
class Rows {
  readonly #average: AreaAverage | undefined;
  readonly #from: Size;
  #whole: FloatPlane | undefined;
  #taken = 0;

  constructor(from: Size, to: Size) {
    this.#from = from;
    if (to.width !== from.width || to.height !== from.height) this.#average = new AreaAverage(from, to);
  }

  add({ data }: Plane<Float32Array | Float64Array>): void {
    if (this.#average) {
      this.#average.add(data);
      return;
    }
    const { width, height } = this.#from;
    if (data.length === width * height) {
      this.#whole = { width, height, data };
      return;
    }
    const length = width * height;
    this.#whole ??= {
      width,
      height,
      data: data instanceof Float32Array ? new Float32Array(length) : new Float64Array(length),
    };
    this.#whole.data.set(data, this.#taken);
    this.#taken += data.length;
  }

  plane(): FloatPlane {
    const plane = this.#average?.plane() ?? this.#whole;
    if (plane === undefined) throw new TypeError('A picture has rows.');
    return plane;
  }
}

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
