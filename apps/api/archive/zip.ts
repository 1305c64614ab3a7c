/**
 * The records of a zip whose entries are stored, after APPNOTE.TXT 6.3.10
 * (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT); zip64 where sizes, offsets or counts ask for it.
 */

/** An entry, as far as its records tell of it. */
export interface Entry {
  /** UTF-8. */
  readonly name: Buffer;
  /** Bytes of its content. */
  readonly size: number;
  /** Of its content; undefined where it is to be computed while the content passes: a data descriptor then follows it. */
  readonly crc32: number | undefined;
  /** Of its local header, from the start of the zip. */
  readonly offset: number;
}

const max16 = 0xffff;
const max32 = 0xffffffff;

/** General purpose bits (4.4.4): 3, a data descriptor follows; 11, names are UTF-8. */
const flagsOf = ({ crc32 }: Entry): number => (crc32 === undefined ? 0x0808 : 0x0800);
const isLarge = ({ size }: Entry): boolean => size >= max32;
/** Version needed to extract (4.4.3): 4.5 for zip64, else 2.0. */
const versionOf = (zip64: boolean): number => (zip64 ? 45 : 20);

/** Writes little-endian fields one after another: `[bytes, value]`. */
function record(fields: readonly (readonly [2 | 4 | 8, number])[], ...tail: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(fields.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 8) head.writeBigUInt64LE(BigInt(value), at);
    else head.writeUIntLE(value, at, width);
    at += width;
  }
  return tail.length === 0 ? head : Buffer.concat([head, ...tail]);
}

/** Extra field 0x0001 (4.5.3): the values that did not fit into their 32 bits. */
const zip64Extra = (...values: readonly number[]): Buffer =>
  values.length === 0
    ? Buffer.alloc(0)
    : record([[2, 1], [2, 8 * values.length], ...values.map((value) => [8, value] as const)]);

/** Date and time as MS-DOS has them (4.4.6), UTC: two seconds are the least step, years are 1980 to 2107. */
export function dosTime(at: Date): number {
  const year = Math.min(2107, Math.max(1980, at.getUTCFullYear()));
  const date = ((year - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  return date * 0x10000 + time;
}

/** 4.3.7. Sizes of an entry whose CRC is not known yet stand in its descriptor alone. */
export function localHeader(entry: Entry, time: number): Buffer {
  const told = entry.crc32 === undefined ? 0 : entry.size;
  const size = isLarge(entry) ? max32 : told;
  const extra = isLarge(entry) ? zip64Extra(told, told) : zip64Extra();
  return record(
    [
      [4, 0x04034b50],
      [2, versionOf(isLarge(entry))],
      [2, flagsOf(entry)],
      [2, 0], // stored
      [4, time],
      [4, entry.crc32 ?? 0],
      [4, size],
      [4, size],
      [2, entry.name.length],
      [2, extra.length],
    ],
    entry.name,
    extra,
  );
}

export const localHeaderSize = (entry: Entry): number => 30 + entry.name.length + (isLarge(entry) ? 20 : 0);

/** 4.3.9, with the signature that everybody writes. */
export function descriptor(entry: Entry, crc32: number): Buffer {
  const width = isLarge(entry) ? 8 : 4;
  return record([
    [4, 0x08074b50],
    [4, crc32],
    [width, entry.size],
    [width, entry.size],
  ]);
}

export const descriptorSize = (entry: Entry): number =>
  entry.crc32 !== undefined ? 0 : isLarge(entry) ? 24 : 16;

/** What of an entry's central header does not fit into 32 bits, in the order of the extra field. */
const oversized = (entry: Entry): number[] => [
  ...(isLarge(entry) ? [entry.size, entry.size] : []),
  ...(entry.offset >= max32 ? [entry.offset] : []),
];

/** 4.3.12. */
export function centralHeader(entry: Entry, crc32: number, time: number): Buffer {
  const large = oversized(entry);
  const extra = zip64Extra(...large);
  const size = Math.min(entry.size, max32);
  return record(
    [
      [4, 0x02014b50],
      [2, 0x0300 | 45], // made on Unix
      [2, versionOf(large.length > 0)],
      [2, flagsOf(entry)],
      [2, 0],
      [4, time],
      [4, crc32],
      [4, size],
      [4, size],
      [2, entry.name.length],
      [2, extra.length],
      [2, 0], // comment
      [2, 0], // disk
      [2, 0], // internal attributes
      [4, 0o100644 * 0x10000], // a file that its owner may write
      [4, Math.min(entry.offset, max32)],
    ],
    entry.name,
    extra,
  );
}

export function centralHeaderSize(entry: Entry): number {
  const large = oversized(entry).length;
  return 46 + entry.name.length + (large === 0 ? 0 : 4 + 8 * large);
}

/** What stands at the end of a zip (4.3.14 to 4.3.16) with so many entries and such a central directory. */
export function endRecords(central: { entries: number; size: number; offset: number }): Buffer {
  const { entries, size, offset } = central;
  const end = record([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, Math.min(entries, max16)],
    [2, Math.min(entries, max16)],
    [4, Math.min(size, max32)],
    [4, Math.min(offset, max32)],
    [2, 0],
  ]);
  if (entries < max16 && size < max32 && offset < max32) return end;
  const zip64End = record([
    [4, 0x06064b50],
    [8, 44],
    [2, 0x0300 | 45],
    [2, 45],
    [4, 0],
    [4, 0],
    [8, entries],
    [8, entries],
    [8, size],
    [8, offset],
  ]);
  const locator = record([
    [4, 0x07064b50],
    [4, 0],
    [8, offset + size],
    [4, 1],
  ]);
  return Buffer.concat([zip64End, locator, end]);
}
