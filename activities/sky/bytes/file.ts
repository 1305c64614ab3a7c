import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { SkyError } from '../errors.ts';
import type { ByteSource } from './source.ts';

export interface FileSource extends ByteSource, AsyncDisposable {
  close(): Promise<void>;
}

async function identity(file: FileHandle): Promise<{ size: number; etag: string }> {
  const { size, mtimeNs, ino, dev } = await file.stat({ bigint: true });
  const etag = createHash('sha256').update(`${dev} ${ino} ${size} ${mtimeNs}`).digest('hex').slice(0, 32);
  return { size: Number(size), etag };
}

/** A local file, kept open until it is closed. Its ETag stands for device, inode, size and time of change. Throws what the file system throws. */
export async function fileSource(path: string): Promise<FileSource> {
  const file = await open(path, 'r');
  const { size, etag } = await identity(file).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  return {
    name: path,
    size,
    etag,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled < bytes.length || (await identity(file)).etag !== etag) {
        throw new SkyError('source_changed', `${path} has changed since it was opened. Open it again.`);
      }
      return bytes;
    },
    close: () => file.close(),
    [Symbol.asyncDispose]: () => file.close(),
  };
}
