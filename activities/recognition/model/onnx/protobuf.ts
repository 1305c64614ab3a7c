/**
 * Protocol Buffers wire format, as much of it as an ONNX file needs.
 * https://protobuf.dev/programming-guides/encoding/
 */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const tag = (field: number, wireType: number): Uint8Array => varint((field << 3) | wireType);

/** An integer field (int32, int64, enum); negative values take ten bytes, as the format says. */
export function integer(field: number, value: number | bigint): Uint8Array {
  return Buffer.concat([tag(field, VARINT), varint(value)]);
}

/** A bytes, string or embedded message field. */
export function bytes(field: number, value: Uint8Array | string): Uint8Array {
  const content = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([tag(field, LENGTH_DELIMITED), varint(content.length), content]);
}

/** An embedded message of the given fields, in the order given. */
export function message(field: number, fields: readonly Uint8Array[]): Uint8Array {
  return bytes(field, Buffer.concat(fields));
}

/** The integer that begins at `at`, and where it ends; undefined where the buffer ends before. Throws RangeError for what is none. */
export function readVarint(buffer: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = buffer[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  throw new RangeError('a varint is longer than ten bytes');
}

/**
 * The top-level fields of a message: number and, for length-delimited ones, content. Throws RangeError on damage. `cut`: the buffer is the
 * beginning of a message, and the last field may be there in part.
 */
export function* fieldsOf(
  buffer: Buffer,
  { cut = false }: { readonly cut?: boolean } = {},
): Generator<{ field: number; content: Buffer | undefined }> {
  let at = 0;
  const next = (): number => {
    const read = readVarint(buffer, at);
    if (read === undefined) throw new RangeError('the message ends inside a field');
    at = read.end;
    return read.value;
  };
  while (at < buffer.length) {
    const key = next();
    const field = Math.floor(key / 8);
    const wireType = key % 8;
    let content: Buffer | undefined;
    if (wireType === VARINT) next();
    else if (wireType === FIXED64) at += 8;
    else if (wireType === FIXED32) at += 4;
    else if (wireType === LENGTH_DELIMITED) {
      const length = next();
      if (at + length > buffer.length && !cut) throw new RangeError('a field is longer than the message');
      content = buffer.subarray(at, at + length);
      at += length;
    } else throw new RangeError(`wire type ${wireType} is not valid here`);
    if (at > buffer.length && !cut) throw new RangeError('the message ends inside a field');
    yield { field, content };
  }
}
