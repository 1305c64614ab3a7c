/** The structure of HEIF pictures (ISO/IEC 23008-12, ISO/IEC 14496-12): where the coded picture or its tiles lie, and how they become one. */
import { ProblemError } from '@darkroom/contract';
import type { ByteSource } from '../reader.ts';
import { type Box, boxes, Cursor, version } from './boxes.ts';

/** A coded picture: its bytes, and the configuration of its decoder (hvcC). */
export interface CodedPicture {
  readonly config: Uint8Array;
  readonly bytes: Uint8Array;
}

export type Transform =
  /** Cut to this part. */
  | {
      readonly kind: 'crop';
      readonly left: number;
      readonly top: number;
      readonly width: number;
      readonly height: number;
    }
  /** Quarter turns against the clock. */
  | { readonly kind: 'turn'; readonly quarters: number }
  | { readonly kind: 'mirror'; readonly exchanged: 'left and right' | 'top and bottom' };

export interface HeifPicture {
  /** Row by row; one where the picture is not made of tiles. */
  readonly tiles: readonly CodedPicture[];
  readonly columns: number;
  /** Before the transforms. */
  readonly width: number;
  readonly height: number;
  /** In the order they are to be done. */
  readonly transforms: readonly Transform[];
  /** Numbers of ITU-T H.273, where the file tells them. */
  readonly colour:
    | {
        readonly primaries: number;
        readonly transfer: number;
        readonly matrix: number;
        readonly full: boolean;
      }
    | undefined;
}

const MOST_META_BYTES = 16 << 20;
const MOST_TILES = 4096;

const damaged = (what: string) => new ProblemError('truncated_image', `The picture is damaged: ${what}.`);
const unsupported = (what: string) =>
  new ProblemError('unsupported_media', `${what} in HEIC is not read here.`);

/** Reads the primary picture of a file. Throws ProblemError `truncated_image`, `unsupported_media`. */
export function readHeif(source: ByteSource): HeifPicture {
  const meta = readMeta(source);
  const find = (type: string) => meta.find((box) => box.type === type)?.content;
  const need = (type: string) => {
    const content = find(type);
    if (content === undefined) throw damaged(`it has no ${type}`);
    return content;
  };
  const items = readItems(need('iinf'));
  const references = readReferences(find('iref'));
  const properties = readProperties(need('iprp'));
  const locations = readLocations(need('iloc'));
  const idat = find('idat')?.rest() ?? new Uint8Array(0);
  const dataOf = (item: number) => {
    const extents = locations.get(item);
    if (extents === undefined) throw damaged(`item ${item} lies nowhere`);
    return Buffer.concat(extents.map((extent) => bytesOf(extent, source, idat)));
  };
  const coded = (item: number): CodedPicture => {
    if (items.get(item) !== 'hvc1') throw unsupported(`A picture of kind ${items.get(item) ?? 'unknown'}`);
    const config = properties
      .of(item)
      .find(({ type }) => type === 'hvcC')
      ?.content.rest();
    if (config === undefined) throw damaged('its decoder’s configuration is missing');
    return { config, bytes: dataOf(item) };
  };

  const primary = readPrimary(need('pitm'));
  const own = properties.of(primary);
  const size = own.find(({ type }) => type === 'ispe')?.content;
  if (size === undefined) throw damaged('its size is missing');
  size.skip(4);
  const [width, height] = [size.u32(), size.u32()];
  if (items.get(primary) !== 'grid')
    return {
      width,
      height,
      columns: 1,
      tiles: [coded(primary)],
      transforms: transformsOf(own, width, height),
      colour: colourOf(own),
    };
  const grid = readGrid(dataOf(primary));
  const parts = references.get(`dimg ${primary}`) ?? [];
  const [first] = parts;
  if (first === undefined || parts.length !== grid.rows * grid.columns || parts.length > MOST_TILES)
    throw damaged(`it has ${parts.length} tiles, not ${grid.rows} × ${grid.columns}`);
  return {
    width: grid.width,
    height: grid.height,
    columns: grid.columns,
    tiles: parts.map(coded),
    transforms: transformsOf(own, grid.width, grid.height),
    colour: colourOf(own) ?? colourOf(properties.of(first)),
  };
}

/** The boxes of the file's own meta box. */
function readMeta(source: ByteSource): Box[] {
  for (let at = 0; at + 8 <= source.size; ) {
    const head = new Cursor(source.read(at, 16));
    const size = head.u32();
    const type = head.text(4);
    const length = size === 1 ? head.number(8) : size === 0 ? source.size - at : size;
    if (length < 8) break;
    if (type === 'meta') {
      if (length > MOST_META_BYTES) throw damaged('its header is too large');
      const content = new Cursor(source.read(at, length));
      content.skip((size === 1 ? 16 : 8) + 4);
      return boxes(content);
    }
    at += length;
  }
  throw damaged('it has no header');
}

function readPrimary(cursor: Cursor): number {
  return version(cursor).version === 0 ? cursor.u16() : cursor.u32();
}

/** Type of each item. */
function readItems(cursor: Cursor): Map<number, string> {
  cursor.skip(version(cursor).version === 0 ? 2 : 4);
  const types = new Map<number, string>();
  for (const { type, content } of boxes(cursor)) {
    const entry = version(content);
    if (type !== 'infe' || entry.version < 2) continue;
    const id = entry.version === 2 ? content.u16() : content.u32();
    content.skip(2);
    types.set(id, content.text(4));
  }
  return types;
}

/** Items referred to, by kind of reference and the item that refers. */
function readReferences(cursor: Cursor | undefined): Map<string, number[]> {
  const references = new Map<string, number[]>();
  if (cursor === undefined) return references;
  const wide = version(cursor).version > 0;
  for (const { type, content } of boxes(cursor)) {
    const id = () => (wide ? content.u32() : content.u16());
    const from = id();
    references.set(
      `${type} ${from}`,
      Array.from({ length: content.u16() }, () => id()),
    );
  }
  return references;
}

/** Properties of an item, in the order they apply. */
function readProperties(cursor: Cursor): { of(item: number): Box[] } {
  const parts = boxes(cursor);
  const container = parts.find(({ type }) => type === 'ipco');
  if (container === undefined) throw damaged('it has no properties');
  const bytes = boxes(container.content).map(({ type, content }) => ({ type, bytes: content.rest() }));
  const associations = new Map<number, number[]>();
  for (const { type, content } of parts) {
    if (type !== 'ipma') continue;
    const head = version(content);
    for (let count = content.u32(); count > 0; count--) {
      const item = head.version === 0 ? content.u16() : content.u32();
      const indexes = Array.from({ length: content.u8() }, () =>
        (head.flags & 1) === 1 ? content.u16() & 0x7fff : content.u8() & 0x7f,
      );
      associations.set(item, indexes);
    }
  }
  return {
    of: (item) =>
      (associations.get(item) ?? []).flatMap((index) => {
        const property = bytes[index - 1];
        return property === undefined ? [] : [{ type: property.type, content: new Cursor(property.bytes) }];
      }),
  };
}

interface Extent {
  readonly inIdat: boolean;
  readonly offset: number;
  readonly length: number;
}

function readLocations(cursor: Cursor): Map<number, Extent[]> {
  const head = version(cursor);
  const sizes = cursor.u16();
  const [offsetSize, lengthSize, baseSize, indexSize] = [
    sizes >> 12,
    (sizes >> 8) & 15,
    (sizes >> 4) & 15,
    sizes & 15,
  ];
  const locations = new Map<number, Extent[]>();
  for (let count = head.version < 2 ? cursor.u16() : cursor.u32(); count > 0; count--) {
    const item = head.version < 2 ? cursor.u16() : cursor.u32();
    const method = head.version === 0 ? 0 : cursor.u16() & 15;
    const elsewhere = cursor.u16() !== 0;
    const base = cursor.number(baseSize);
    const extents = Array.from({ length: cursor.u16() }, () => {
      if (head.version > 0) cursor.skip(indexSize);
      return {
        inIdat: method === 1,
        offset: base + cursor.number(offsetSize),
        length: cursor.number(lengthSize),
      };
    });
    // Other files and items made of items are not followed.
    if (!elsewhere && method <= 1) locations.set(item, extents);
  }
  return locations;
}

function bytesOf({ inIdat, offset, length }: Extent, source: ByteSource, idat: Uint8Array): Uint8Array {
  const size = inIdat ? idat.length : source.size;
  if (offset + length > size) throw damaged('it breaks off');
  if (inIdat) return idat.subarray(offset, offset + length);
  return Buffer.from(source.read(offset, length));
}

function readGrid(bytes: Uint8Array): { rows: number; columns: number; width: number; height: number } {
  const cursor = new Cursor(bytes);
  cursor.skip(1);
  const wide = (cursor.u8() & 1) === 1;
  const [rows, columns] = [cursor.u8() + 1, cursor.u8() + 1];
  const side = () => (wide ? cursor.u32() : cursor.u16());
  return { rows, columns, width: side(), height: side() };
}

function transformsOf(properties: readonly Box[], width: number, height: number): Transform[] {
  let size = { width, height };
  return properties.flatMap(({ type, content }): Transform[] => {
    if (type === 'clap') {
      const crop = cropOf(content, size);
      size = crop;
      return [crop];
    }
    if (type === 'irot') {
      const quarters = content.u8() & 3;
      if (quarters % 2 === 1) size = { width: size.height, height: size.width };
      return quarters === 0 ? [] : [{ kind: 'turn', quarters }];
    }
    if (type === 'imir')
      return [{ kind: 'mirror', exchanged: (content.u8() & 1) === 1 ? 'left and right' : 'top and bottom' }];
    return [];
  });
}

/** The clean aperture: its size, and how far its middle lies from the picture's. One that reaches out of the picture is cut to it. */
function cropOf(
  cursor: Cursor,
  size: { width: number; height: number },
): Extract<Transform, { kind: 'crop' }> {
  const ratio = () => cursor.i32() / cursor.i32();
  const [width, height, right, down] = [ratio(), ratio(), ratio(), ratio()];
  const within = (value: number, least: number, most: number) =>
    Number.isFinite(value) ? Math.min(most, Math.max(least, Math.round(value))) : least;
  const left = within((size.width - width) / 2 + right, 0, size.width - 1);
  const top = within((size.height - height) / 2 + down, 0, size.height - 1);
  return {
    kind: 'crop',
    left,
    top,
    width: within(width, 1, size.width - left),
    height: within(height, 1, size.height - top),
  };
}

function colourOf(properties: readonly Box[]): HeifPicture['colour'] {
  for (const { type, content } of properties) {
    if (type !== 'colr' || content.text(4) !== 'nclx') continue;
    const [primaries, transfer, matrix] = [content.u16(), content.u16(), content.u16()];
    return { primaries, transfer, matrix, full: content.u8() >= 128 };
  }
  return undefined;
}
