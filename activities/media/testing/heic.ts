/** HEIC pictures by hand, as an iPhone makes them: a grid of HEVC tiles, or one picture, with its transforms. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatContext, Packet } from 'node-av/lib';
import { box, bytes, fullBox, type Piece, times, u8, u16, u32 } from './boxes.ts';
import { openEncoder } from './film/encode.ts';
import { type Planes, planes } from './film/planes.ts';

export interface HeicOptions {
  /** Side of a tile, even; no tiles where it is absent. */
  readonly tile?: number;
  /** Boxes of properties that transform the picture, in order: irot, imir, clap. */
  readonly transforms?: readonly Buffer[];
}

export const turnBox = (quarters: number) => box('irot', u8(quarters));
export const mirrorBox = (axis: 0 | 1) => box('imir', u8(axis));
/** A part of that size, its middle moved right and down by halves of a pixel. */
export const cropBox = (width: number, height: number, right: number, down: number) =>
  box('clap', u32(width), u32(1), u32(height), u32(1), u32(right), u32(2), u32(down), u32(2));

/** The bytes of a HEIC file that shows `picture` (4:2:0, limited range, BT.601). */
export function makeHeic(picture: Planes, { tile, transforms = [] }: HeicOptions = {}): Buffer {
  const { width, height } = picture;
  const [across, down] = tile === undefined ? [width, height] : [tile, tile];
  const columns = Math.ceil(width / across);
  const rows = Math.ceil(height / down);
  const parts = Array.from({ length: rows * columns }, (_, n) =>
    part(picture, (n % columns) * across, Math.floor(n / columns) * down, across, down),
  );
  const { config, packets } = encode(parts);
  const ids = packets.map((_, n) => n + 1);
  const grid = tile === undefined ? undefined : packets.length + 1;
  const description = bytes([0, 0, rows - 1, columns - 1], u16(width), u16(height));
  const item = (id: number, type: string) => fullBox('infe', 2 << 24, u16(id), u16(0), type, [0]);
  const property = (id: number, indexes: readonly number[]) =>
    bytes(
      u16(id),
      u8(indexes.length),
      indexes.map((n) => n | 0x80),
    );
  const properties: Piece[] = [
    box('hvcC', config),
    fullBox('ispe', 0, u32(across), u32(down)),
    fullBox('ispe', 0, u32(width), u32(height)),
    box('colr', 'nclx', u16(6), u16(6), u16(6), [0]),
    ...transforms,
  ];
  const moving = transforms.map((_, n) => n + 5);
  const associations = ids.map((id) => property(id, grid === undefined ? [1, 2, 4, ...moving] : [1, 2, 4]));
  if (grid !== undefined) associations.push(property(grid, [3, ...moving]));
  const build = (start: number) => {
    let at = start;
    const place = (id: number, length: number) => {
      const entry = bytes(u16(id), u16(0), u16(0), u16(1), u32(at), u32(length));
      at += length;
      return entry;
    };
    const places = packets.map((packet, n) => place(n + 1, packet.length));
    if (grid !== undefined)
      places.push(bytes(u16(grid), u16(1), u16(0), u16(1), u32(0), u32(description.length)));
    return fullBox(
      'meta',
      0,
      fullBox('hdlr', 0, u32(0), 'pict', times(13, [0])),
      fullBox('pitm', 0, u16(grid ?? 1)),
      fullBox(
        'iinf',
        0,
        u16(places.length),
        ...ids.map((id) => item(id, 'hvc1')),
        ...(grid === undefined ? [] : [item(grid, 'grid')]),
      ),
      ...(grid === undefined
        ? []
        : [fullBox('iref', 0, box('dimg', u16(grid), u16(ids.length), ...ids.map(u16)))]),
      box('iprp', box('ipco', ...properties), fullBox('ipma', 0, u32(associations.length), ...associations)),
      ...(grid === undefined ? [] : [box('idat', description)]),
      fullBox('iloc', 1 << 24, [0x44, 0x00], u16(places.length), ...places),
    );
  };
  const ftyp = box('ftyp', 'heic', u32(0), 'mif1heic');
  return bytes(ftyp, build(ftyp.length + build(0).length + 8), box('mdat', ...packets));
}

/** A part of a picture; beyond its edge, black. */
function part(picture: Planes, left: number, top: number, width: number, height: number): Planes {
  const target = planes(width, height);
  for (const [plane, shift] of [
    ['y', 0],
    ['u', 1],
    ['v', 1],
  ] as const) {
    const [from, to] = [(picture.width + shift) >> shift, (width + shift) >> shift];
    for (let y = 0; y < (height + shift) >> shift; y++) {
      const row = (top >> shift) + y;
      if (row >= (picture.height + shift) >> shift) break;
      const start = row * from + (left >> shift);
      picture[plane].copy(target[plane], y * to, start, Math.min(start + to, (row + 1) * from));
    }
  }
  return target;
}

/** Key frames of one HEVC stream: the configuration of their decoder, and each one's bytes. */
function encode(parts: readonly Planes[]): { config: Buffer; packets: Buffer[] } {
  const folder = mkdtempSync(join(tmpdir(), 'heic-'));
  try {
    const path = join(folder, 'tiles.mp4');
    const [{ width, height } = planes(2, 2)] = parts;
    const encoder = openEncoder(path, { width, height, codec: 'libx265', gop: 1, bFrames: 0 }, parts.length);
    for (const picture of parts) encoder.add(picture);
    encoder.finish();
    const input = new FormatContext();
    input.allocContext();
    input.openInputSync(path, null);
    const packet = new Packet();
    packet.alloc();
    const packets: Buffer[] = [];
    for (; input.readFrameSync(packet) >= 0; packet.unref()) packets.push(Buffer.from(packet.data ?? []));
    const config = Buffer.from(input.streams[0]?.codecpar.extradata ?? []);
    packet.free();
    input.closeInputSync();
    return { config, packets };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
