/** A picture from bands to the bytes of a file: scaled down, drawn, turned, marked, encoded. */
import { type Size, scaledWithin } from './area-average.ts';
import { drawPicture, requireTogether } from './draw.ts';
import { type EncodeOptions, encodePicture } from './file/encode.ts';
import type { Look, PictureBand, PictureLevels } from './look.ts';
import {
  type Orientation,
  type OrientationRule,
  orientationOf,
  oriented,
  placeIn,
  type SkyDirection,
} from './orientation.ts';
import { drawCompass, drawCrosshair, drawLabel, drawScaleBar, type ScaleBar } from './overlay/marks.ts';
import type { Depth } from './raster.ts';

export interface Marks {
  readonly scaleBar?: boolean | undefined;
  /** A place of the bands' grid: 0, 0 is the centre of the first pixel. */
  readonly crosshair?: { readonly x: number; readonly y: number } | undefined;
  readonly compass?: boolean | undefined;
  readonly label?: string | undefined;
}

export interface PictureOptions extends EncodeOptions {
  readonly look: Look;
  /** 16 for PNG alone. */
  readonly depth?: Depth | undefined;
  /** How the bands' grid lies on the sky, at the middle of the picture ({@link directionAt}). */
  readonly direction: SkyDirection;
  /** Degrees, of the bands' grid. */
  readonly pixelScale: number;
  /** Default `north-up`. */
  readonly orientation?: OrientationRule | undefined;
  /** Of the longer side: what is larger is averaged by area; nothing is ever scaled up. */
  readonly maxPixels?: number | undefined;
  /** Of the bands' grid, where they were averaged already, as they were read. */
  readonly scaledFrom?: Size | undefined;
  readonly marks?: Marks | undefined;
}

/** What a picture shows and how: JSON, also in the file, as the text `Picture`. */
export interface PictureMade extends Size {
  /** Degrees a pixel of the picture, across the file's rows; the bands' own where it was not scaled. */
  readonly pixelScale: number;
  /** Of the bands, where the picture was scaled down from them; levels and counts are of the picture's pixels. */
  readonly scaledFrom?: Size;
  readonly orientation: Orientation;
  readonly levels: PictureLevels;
  /** Marks: none if it was not asked for or has no room. */
  readonly scaleBar?: ScaleBar;
  readonly compass?: true;
  readonly label?: string;
}

/**
 * Bands as a file. Equal pixels and options give equal bytes.
 *
 * @throws SkyError `invalid_cutout`: bands that are no picture together, settings out of their range.
 */
export async function makePicture(
  bands: readonly PictureBand[],
  options: PictureOptions,
): Promise<{ file: Buffer; made: PictureMade }> {
  const { look, direction, marks = {}, maxPixels = Number.POSITIVE_INFINITY } = options;
  requireTogether(bands);
  const given = bands.map(({ name, plane }) => ({ name, plane: scaledWithin(plane, maxPixels) }));
  const drawn = drawPicture(given, look, options.depth ?? 8);
  const from = options.scaledFrom ?? bands[0]!.plane;
  const { width, height } = drawn.raster;
  const orientation = orientationOf(direction, options.orientation ?? 'north-up');
  const picture = oriented(drawn.raster, orientation);
  const pixelScale = (options.pixelScale * from.width) / width;
  const scaleBar = marks.scaleBar ? drawScaleBar(picture, pixelScale) : undefined;
  if (marks.crosshair) {
    const { x, y } = marks.crosshair;
    const within = (at: number, of: number, to: number) => ((at + 0.5) * to) / of - 0.5;
    drawCrosshair(
      picture,
      ...placeIn(orientation, drawn.raster, within(x, from.width, width), within(y, from.height, height)),
    );
  }
  const hasCompass = marks.compass === true && drawCompass(picture, orientation);
  const label = marks.label !== undefined && drawLabel(picture, marks.label) ? marks.label : undefined;
  const made: PictureMade = {
    width: picture.width,
    height: picture.height,
    pixelScale,
    ...(width !== from.width || height !== from.height
      ? { scaledFrom: { width: from.width, height: from.height } }
      : {}),
    orientation,
    levels: drawn.levels,
    ...(scaleBar && { scaleBar }),
    ...(hasCompass && { compass: true }),
    ...(label !== undefined && { label }),
  };
  const texts = { ...options.texts, Picture: JSON.stringify(made) };
  return { file: await encodePicture(picture, { ...options, texts }), made };
}
