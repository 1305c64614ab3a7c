/** FFmpeg's reading of a file, done by a `ByteSource`. */
import { AVERROR_EOF, AVSEEK_SET, AVSEEK_SIZE } from 'node-av/constants';
import { IOContext } from 'node-av/lib';
import type { ByteSource } from '../reader.ts';

/** FFmpeg asks for this much at a time, bytes. */
const READ_AHEAD = 256 << 10;

/** From the beginning of the source. Whoever has it made frees it. */
export function ioOver(source: ByteSource): IOContext {
  let position = 0;
  const io = new IOContext();
  io.allocContextWithCallbacks(
    READ_AHEAD,
    0,
    (length) => {
      const bytes = source.read(position, length);
      if (bytes.length === 0) return AVERROR_EOF;
      position += bytes.length;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    },
    null,
    (offset, whence) => {
      if (whence === AVSEEK_SIZE) return BigInt(source.size);
      if (whence !== AVSEEK_SET || offset < 0n) return -22n;
      position = Number(offset);
      return offset;
    },
  );
  return io;
}
