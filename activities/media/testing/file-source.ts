import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteSource } from '../decode/reader.ts';

/** A file on disk, to be closed. */
export function fileSource(path: string): ByteSource & Disposable {
  const file = openSync(path, 'r');
  return {
    size: fstatSync(file).size,
    read(offset, length) {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}
