/** Tiles in memory, for tests. */
import type { CardValue, HeaderValues } from '../fits/card.ts';
import type { PixelBox, Pixels, Plane } from '../image/plane.ts';
import { parseWcs } from '../wcs/parse.ts';
import { filledPixels, type MosaicTile, type PlaneReader, pixelTypeOf } from './tile.ts';

export type Cards = Readonly<Record<string, CardValue>>;

export function headerOf(cards: Cards): HeaderValues {
  return { value: (keyword) => cards[keyword], keywords: () => Object.keys(cards) };
}

/** What is inside of the box. */
export function crop({ width, data }: Plane, box: PixelBox): Plane {
  const cut = filledPixels(pixelTypeOf(data), box.width * box.height, 0);
  for (let y = 0; y < box.height; y++) {
    for (let x = 0; x < box.width; x++) cut[y * box.width + x] = data[(box.y0 + y) * width + box.x0 + x]!;
  }
  return { width: box.width, height: box.height, data: cut };
}

/** @param boxes takes what was read. */
export function planeReader(plane: Plane, boxes: PixelBox[] = []): PlaneReader {
  return {
    type: pixelTypeOf(plane.data),
    read: async (box) => {
      const inside =
        box.x0 >= 0 &&
        box.y0 >= 0 &&
        box.x0 + box.width <= plane.width &&
        box.y0 + box.height <= plane.height;
      if (!inside) throw new Error('a box beyond the tile');
      boxes.push(box);
      return crop(plane, box);
    },
  };
}

export function planeOf<P extends Pixels>(
  width: number,
  height: number,
  data: P,
  value: (x: number, y: number) => number,
): Plane<P> {
  for (let i = 0; i < data.length; i++) (data as Float64Array)[i] = value(i % width, Math.floor(i / width));
  return { width, height, data };
}

export interface Planes {
  readonly image: Plane;
  readonly weight?: Plane;
  readonly mask?: Plane;
}

export type TestTile = MosaicTile & { readonly planes: Planes };

export function tileOf(name: string, planes: Planes, cards: Cards): TestTile {
  const { width, height } = planes.image;
  const header = headerOf(cards);
  return {
    name,
    wcs: parseWcs(header),
    header,
    width,
    height,
    planes,
    image: planeReader(planes.image),
    ...(planes.weight && { weight: planeReader(planes.weight) }),
    ...(planes.mask && { mask: planeReader(planes.mask) }),
  };
}

/** A part of a tile as a tile of its own. */
export function partOf(name: string, { planes, header }: TestTile, box: PixelBox): TestTile {
  const cards: Record<string, CardValue> = {};
  for (const keyword of header.keywords()) cards[keyword] = header.value(keyword);
  const { image, weight, mask } = planes;
  return tileOf(
    name,
    {
      image: crop(image, box),
      ...(weight && { weight: crop(weight, box) }),
      ...(mask && { mask: crop(mask, box) }),
    },
    { ...cards, CRPIX1: Number(cards.CRPIX1) - box.x0, CRPIX2: Number(cards.CRPIX2) - box.y0 },
  );
}

/** Cards of a TAN grid whose y axis is turned by so many degrees from north to east. */
export function tanCards(
  lon: number,
  lat: number,
  x: number,
  y: number,
  scale: number,
  rotation: number,
): Cards {
  const [c, s] = [scale * Math.cos((rotation * Math.PI) / 180), scale * Math.sin((rotation * Math.PI) / 180)];
  return {
    CTYPE1: 'RA---TAN',
    CTYPE2: 'DEC--TAN',
    CRVAL1: lon,
    CRVAL2: lat,
    CRPIX1: x,
    CRPIX2: y,
    CD1_1: -c,
    CD1_2: s,
    CD2_1: s,
    CD2_2: c,
  };
}

/** Bits, so that -0 and NaN count. */
export function bits(plane: Plane | undefined): Buffer {
  return Buffer.from(plane!.data.buffer, plane!.data.byteOffset, plane!.data.byteLength);
}
