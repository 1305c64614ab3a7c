/** The members of a ZIP file, by its directory. */
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type Entry, fromRandomAccessReaderPromise, getFileNameLowLevel, RandomAccessReader } from 'yauzl';
import { type ArchiveBytes, blocks, damaged } from './bytes.ts';
import type { Member } from './gate.ts';

export interface ZipMember extends Member {
  /** Throws where its bytes are not what the directory says of them. */
  read(): Promise<Buffer>;
}

/** File types of Unix, as the upper half of a member's attributes has them. */
const typeMask = 0o170000;
const kinds = new Map<number, Member['kind']>([
  [0o040000, 'folder'],
  [0o120000, 'a symbolic link'],
  [0o020000, 'a device'],
  [0o060000, 'a device'],
  [0o010000, 'a pipe'],
  [0o140000, 'a socket'],
]);
const stored = 0;
const deflated = 8;

class BytesReader extends RandomAccessReader {
  readonly #bytes: ArchiveBytes;

  constructor(bytes: ArchiveBytes) {
    super();
    this.#bytes = bytes;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(blocks(this.#bytes, start, end), { objectMode: false });
  }
}

/** `count` is told of bytes as they are unpacked, and may throw. Throws ProblemError `damaged_archive`. */
export async function* zipMembers(
  archive: ArchiveBytes,
  count: (bytes: number) => void,
): AsyncGenerator<ZipMember> {
  try {
    const options = { lazyEntries: true, autoClose: false, decodeStrings: false } as const;
    const zip = await fromRandomAccessReaderPromise(new BytesReader(archive), archive.size, options);
    for await (const entry of zip.eachEntry()) {
      const read = async (): Promise<Buffer> => {
        const chunks: Buffer[] = [];
        for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
          count(chunk.length);
          chunks.push(chunk);
        }
        const bytes = Buffer.concat(chunks);
        if (crc32(bytes) !== entry.crc32) throw new Error('its checksum differs');
        return bytes;
      };
      yield { ...memberOf(entry), read };
    }
  } catch (error) {
    throw isOfLibrary(error) ? damaged(error.message) : error;
  }
}

function memberOf(entry: Entry): Member {
  const { generalPurposeBitFlag, fileNameRaw, extraFields, uncompressedSize: bytes } = entry;
  const name = getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false);
  const type = (entry.externalFileAttributes >>> 16) & typeMask;
  const kind = name.endsWith('/') ? 'folder' : (kinds.get(type) ?? 'file');
  return { name, kind, bytes, unreadable: unreadable(entry) };
}

function unreadable(entry: Entry): string | undefined {
  if (entry.isEncrypted()) return 'is encrypted';
  const { compressionMethod: method } = entry;
  return method === stored || method === deflated
    ? undefined
    : `is compressed by method ${method}: only those stored or deflated are read`;
}

/** Errors of yauzl are plain ones. */
const isOfLibrary = (error: unknown): error is Error =>
  error instanceof Error && (error.name === 'Error' || error instanceof RangeError);
