/** Pictures that only FFmpeg reads (HEIC), as a recognition lane decodes them: loaded there with the first of them. */
import { AV_LOG_ERROR } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { readPicture } from './heif/heic.ts';

Log.setLevel(AV_LOG_ERROR);

/** Upright 8-bit RGB, rows from the top without padding. Throws as `readPicture`. */
export function decodeForeign(
  bytes: Uint8Array,
  { pixels }: { readonly pixels: number },
): { data: Buffer; width: number; height: number } {
  const source = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
  };
  const { rgb, width, height } = readPicture(source, { pixels });
  return { data: Buffer.from(rgb.buffer, rgb.byteOffset, rgb.byteLength), width, height };
}
