/** Pieces of containers by hand: what no muxer would write. */

export type Piece = Uint8Array | string | number[];

/** Bytes of pieces one after the other; strings as Latin-1. */
export function bytes(...pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : Buffer.from(piece))),
  );
}

const numbered = (size: number, write: (buffer: Buffer) => void) => {
  const buffer = Buffer.alloc(size);
  write(buffer);
  return buffer;
};

export const u8 = (value: number) => Buffer.from([value & 0xff]);
export const u16 = (value: number) => numbered(2, (b) => b.writeUInt16BE(value));
export const u32 = (value: number) => numbered(4, (b) => b.writeUInt32BE(value >>> 0));
export const le32 = (value: number) => numbered(4, (b) => b.writeUInt32LE(value >>> 0));
export const zeros = (count: number) => Buffer.alloc(count);
/** `piece`, `count` times. */
export const times = (count: number, piece: Piece) => Buffer.alloc(bytes(piece).length * count, bytes(piece));

/** ISO base media: 32-bit size, type, content. */
export const box = (type: string, ...content: readonly Piece[]): Buffer => {
  const inner = bytes(...content);
  return bytes(u32(8 + inner.length), type, inner);
};
/** The same with version 0 and `flags`. */
export const fullBox = (type: string, flags: number, ...content: readonly Piece[]): Buffer =>
  box(type, u32(flags), ...content);

/** RIFF: type, 32-bit size, content padded to even. */
export const chunk = (type: string, ...content: readonly Piece[]): Buffer => {
  const inner = bytes(...content);
  return bytes(type, le32(inner.length), inner, inner.length % 2 === 1 ? [0] : []);
};
export const list = (kind: string, ...content: readonly Piece[]): Buffer => chunk('LIST', kind, ...content);

/** EBML: id in hexadecimal, size of eight bytes, content. */
export const element = (id: string, ...content: readonly Piece[]): Buffer => {
  const inner = bytes(...content);
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(inner.length));
  size[0] = 1;
  return bytes(Buffer.from(id, 'hex'), size, inner);
};

/** Every `find` in `file` changed to `put`, of the same length. Throws when there is none. */
export function patch(file: Uint8Array, find: Piece, put: Piece): Buffer {
  const [from, to] = [bytes(find), bytes(put)];
  if (from.length !== to.length) throw new RangeError('A patch keeps the length.');
  const patched = Buffer.from(file);
  let count = 0;
  for (let at = patched.indexOf(from); at >= 0; at = patched.indexOf(from, at + to.length), count++)
    to.copy(patched, at);
  if (count === 0) throw new Error('There is nothing to patch.');
  return patched;
}

/** The content of the first box of that type, found by its name alone, changed by `change` in place. */
export function patchBox(file: Uint8Array, type: string, change: (content: Buffer) => void): Buffer {
  const patched = Buffer.from(file);
  const name = patched.indexOf(type, 0, 'latin1');
  if (name < 4) throw new Error(`There is no ${type}.`);
  change(patched.subarray(name + 4, name - 4 + patched.readUInt32BE(name - 4)));
  return patched;
}
