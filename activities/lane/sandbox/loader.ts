import { closeSync, openSync, readSync } from 'node:fs';

/** Program header that names the loader (elf(5)). */
const PT_INTERP = 3;

/** Path of the dynamic loader of a 64-bit little-endian ELF file; undefined where it has none. */
export function loaderOf(program: string): string | undefined {
  const file = openSync(program, 'r');
  try {
    const read = (at: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      readSync(file, bytes, 0, length, at);
      return bytes;
    };
    const header = read(0, 64);
    const table = Number(header.readBigUInt64LE(32));
    const size = header.readUInt16LE(54);
    const count = header.readUInt16LE(56);
    for (let i = 0; i < count; i++) {
      const entry = read(table + i * size, size);
      if (entry.readUInt32LE(0) !== PT_INTERP) continue;
      const name = read(Number(entry.readBigUInt64LE(8)), Number(entry.readBigUInt64LE(32)));
      return name.toString('utf8').replace(/\0.*$/s, '');
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}
