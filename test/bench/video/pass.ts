/** The pass over a video alone, as the worker runs it: decoder's process and pipe included, the file on disk instead of S3. */
import { open } from 'node:fs/promises';
import { videoOptions } from '@darkroom/contract';
import { splitVideo } from '@darkroom/media/process/child.ts';
import { loadConfig } from '@darkroom/platform';

/** What the default detector has room for. */
const room = { width: 300, height: 300, fit: 'letterbox' } as const;

/** Splits the video at `path`; seconds it took, and seconds of the video at which scenes after the first begin. */
export async function scenePass(
  path: string,
  changes: Partial<ReturnType<typeof videoOptions.parse>> = {},
): Promise<{ seconds: number; starts: number[] }> {
  const { media, limits, lane } = loadConfig({ DATABASE_URL: 'postgres://not-used' });
  await using file = await open(path);
  const { size } = await file.stat();
  const source = {
    size,
    async read(offset: number, length: number) {
      const bytes = Buffer.allocUnsafe(Math.min(length, Math.max(0, size - offset)));
      await file.read(bytes, 0, bytes.length, offset);
      return bytes;
    },
  };
  const began = performance.now();
  const starts: number[] = [];
  const events = splitVideo(
    source,
    { options: videoOptions.parse(changes), room, candidateBytes: media.candidateBytes },
    {
      limits: { ...media, ...lane, pixels: limits.videoPixels, seconds: limits.videoSeconds },
      signal: new AbortController().signal,
    },
  );
  for await (const event of events)
    if (event.type === 'scene' && event.scene.begins !== 'divided') starts.push(event.scene.start);
  return { seconds: (performance.now() - began) / 1000, starts: starts.slice(1) };
}
