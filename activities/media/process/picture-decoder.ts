/** The decoder's process for single pictures, as those who recognise photos call it. */
import type { Config } from '@darkroom/platform';
import { decodePicture } from './child.ts';

/** Decodes pictures that only FFmpeg reads (HEIC) within the configured limits: upright 8-bit RGB. Throws as `decodePicture`. */
export function pictureDecoder({ media, lane: { sandbox } }: Config) {
  return async (
    bytes: Buffer,
    { pixels }: { readonly pixels: number },
    signal: AbortSignal = new AbortController().signal,
  ): Promise<{ data: Buffer; width: number; height: number }> => {
    const { memoryBytes, stallSeconds } = media;
    const limits = { memoryBytes, stallSeconds, sandbox, pixels, seconds: Number.MAX_SAFE_INTEGER };
    const { rgb, width, height } = await decodePicture(bytes, { limits, signal });
    return { data: Buffer.from(rgb.buffer, rgb.byteOffset, rgb.byteLength), width, height };
  };
}
