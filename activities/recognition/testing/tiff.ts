/** Writes TIFFs for tests: uncompressed, of any samples, pages, planes, tiles; as thumbnails and SubIFDs lie in files of cameras. */

/** Values of a picture, row by row, its samples side by side. */
export interface TiffPicture {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly values: readonly number[];
  /** `u16`, `i8`, `f32`… */
  readonly type?: `${'u' | 'i' | 'f'}${8 | 16 | 32 | 64}`;
  /** PhotometricInterpretation; grey or RGB by the number of samples where it is absent. */
  readonly photometric?: number;
  readonly planesApart?: boolean;
  /** Side of a tile, a multiple of 16; a strip where absent. */
  readonly tile?: number;
  /** Further tags, or others than these would be: code → a LONG. */
  readonly tags?: Readonly<Record<number, number>>;
  /** ICC. */
  readonly profile?: Buffer;
  readonly subifds?: readonly TiffPicture[];
}

type Type = NonNullable<TiffPicture['type']>;
/** Codes of the types of tags. */
const TAG_TYPES = { u8: 1, u16: 3, u32: 4, u64: 16 } as const;
const FORMATS = { u: 1, i: 2, f: 3 } as const;

/** The file with these pages. Little-endian, or big-endian; BigTIFF where asked for. */
export function tiff(pages: readonly TiffPicture[], { big = false, bigEndian = false } = {}): Buffer {
  const little = !bigEndian;
  const pieces: Buffer[] = [];
  let length = 0;
  const append = (bytes: Buffer): number => {
    const at = length;
    pieces.push(bytes, Buffer.alloc(bytes.length % 2));
    length += bytes.length + (bytes.length % 2);
    return at;
  };
  const numbers = (values: readonly number[], type: Type): Buffer => {
    const size = Number(type.slice(1)) / 8;
    const bytes = Buffer.alloc(values.length * size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const [i, value] of values.entries()) write(view, i * size, value, type, little);
    return bytes;
  };
  const offset = big ? 'u64' : 'u32';
  const header = big ? [...numbers([43, 8, 0], 'u16')] : [...numbers([42], 'u16')];
  append(Buffer.concat([Buffer.from(bigEndian ? 'MM' : 'II'), Buffer.from(header)]));
  // Where the next directory is told: first in the header, then at the end of the one before.
  let told = { at: length, bytes: numbers([0], offset) };
  append(told.bytes);

  const directory = (picture: TiffPicture): number => {
    const below = (picture.subifds ?? []).map((sub) => directory(sub));
    const type = picture.type ?? 'u8';
    const chunks = chunksOf(picture).map((values) => numbers(values, type));
    const offsets = chunks.map((chunk) => append(chunk));
    const { width, height, samples, tile } = picture;
    const entries: [number, keyof typeof TAG_TYPES, readonly number[]][] = [
      [256, 'u32', [width]],
      [257, 'u32', [height]],
      [258, 'u16', Array.from({ length: samples }, () => Number(type.slice(1)))],
      [259, 'u16', [1]],
      [262, 'u16', [picture.photometric ?? (samples >= 3 ? 2 : 1)]],
      [tile === undefined ? 273 : 324, offset, offsets],
      [277, 'u16', [samples]],
      [tile === undefined ? 279 : 325, offset, chunks.map((chunk) => chunk.length)],
      [284, 'u16', [picture.planesApart ? 2 : 1]],
      [339, 'u16', Array.from({ length: samples }, () => FORMATS[type[0] as 'u' | 'i' | 'f'])],
    ];
    if (tile === undefined) entries.push([278, 'u32', [height]]);
    else entries.push([322, 'u32', [tile]], [323, 'u32', [tile]]);
    if (picture.profile !== undefined) entries.push([34_675, 'u8', [...picture.profile]]);
    if (below.length > 0) entries.push([330, offset, below]);
    if (samples === 2 || samples >= 4)
      entries.push([338, 'u16', Array.from({ length: samples > 2 ? samples - 3 : 1 }, () => 2)]);
    for (const [tag, value] of Object.entries(picture.tags ?? {})) {
      const known = entries.findIndex(([other]) => other === Number(tag));
      entries.splice(known === -1 ? entries.length : known, 1, [Number(tag), 'u32', [value]]);
    }
    const room = big ? 8 : 4;
    const sorted = entries
      .sort(([a], [b]) => a - b)
      .map(([tag, valueType, values]) => {
        const bytes = numbers(values, valueType);
        const inline = Buffer.alloc(room);
        if (bytes.length <= room) bytes.copy(inline);
        else numbers([append(bytes)], offset).copy(inline);
        const code = TAG_TYPES[valueType];
        return Buffer.concat([numbers([tag, code], 'u16'), numbers([values.length], offset), inline]);
      });
    const at = append(Buffer.concat([numbers([sorted.length], big ? 'u64' : 'u16'), ...sorted]));
    next = { at: length, bytes: numbers([0], offset) };
    append(next.bytes);
    return at;
  };

  let next = told;
  for (const picture of pages) {
    const at = directory(picture);
    numbers([at], offset).copy(told.bytes);
    told = next;
  }
  return Buffer.concat(pieces);
}

/** What lies together in the file: the picture, or each plane, whole or tile by tile. */
function chunksOf({ width, height, samples, values, planesApart = false, tile }: TiffPicture): number[][] {
  const planes = planesApart
    ? Array.from({ length: samples }, (_, plane) => [plane])
    : [Array.from({ length: samples }, (_, i) => i)];
  const side = tile ?? 0;
  const corners = tile === undefined ? [[0, 0]] : [];
  for (let y = 0; tile !== undefined && y < height; y += side)
    for (let x = 0; x < width; x += side) corners.push([x, y]);
  return planes.flatMap((plane) =>
    corners.map(([left = 0, top = 0]) => {
      const chunk: number[] = [];
      for (let y = top; y < (tile === undefined ? height : top + side); y++)
        for (let x = left; x < (tile === undefined ? width : left + side); x++)
          for (const sample of plane)
            chunk.push(x < width && y < height ? (values[(y * width + x) * samples + sample] ?? 0) : 0);
      return chunk;
    }),
  );
}

function write(view: DataView, at: number, value: number, type: Type, little: boolean): void {
  switch (type) {
    case 'u8':
    case 'i8':
      view.setUint8(at, value);
      break;
    case 'u16':
    case 'i16':
      view.setUint16(at, value, little);
      break;
    case 'u32':
    case 'i32':
      view.setUint32(at, value, little);
      break;
    case 'u64':
    case 'i64':
      view.setBigUint64(at, BigInt(Math.trunc(value)), little);
      break;
    case 'f16':
      throw new RangeError('halves are not written');
    case 'f32':
      view.setFloat32(at, value, little);
      break;
    case 'f64':
      view.setFloat64(at, value, little);
      break;
  }
}
