/** What a video cannot cost less than: one pass of the ffmpeg program, and bare inference of the frames that the job inferred. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadConfig } from '@darkroom/platform';
import { openModel } from '@darkroom/recognition/model/session.ts';
import { fit } from '@darkroom/recognition/picture/fit.ts';
import { normalise } from '@darkroom/recognition/picture/prepare.ts';
import type { Storage } from '@darkroom/storage';
import sharp from 'sharp';

/** Seconds that `ffmpeg` takes to decode, scale and look for cuts, on all cores. Throws when it is missing or fails. */
export async function ffmpegPass(path: string, filters = 'scale=320:-2,scdet'): Promise<number> {
  const began = performance.now();
  const child = spawn(
    'ffmpeg',
    ['-v', 'error', '-nostdin', '-i', path, '-an', '-vf', filters, '-f', 'null', '-'],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}.`);
  return (performance.now() - began) / 1000;
}

/** Seconds that inference of these frames takes in this process, one after the other on all cores; the model is warm. */
export async function bareInference(
  env: Readonly<Record<string, string>>,
  frames: readonly Buffer[],
): Promise<number> {
  const { recognition } = loadConfig({ ...env });
  const model = await openModel({ ...recognition, threads: recognition.lanes * recognition.threads });
  const tensors = await Promise.all(
    frames.map(async (frame) => {
      const { width, height } = await sharp(frame).metadata();
      const placed = fit({ width, height }, model.input, model.input.fit);
      const pixels = await sharp(frame).resize(placed.width, placed.height, { fit: 'fill' }).raw().toBuffer();
      return normalise(pixels, placed, model.input);
    }),
  );
  const began = performance.now();
  for (const tensor of tensors) await model.infer(tensor);
  return (performance.now() - began) / 1000;
}

/** The frames of a task's scenes as they lie in S3. */
export async function sceneFrames(storage: Storage, task: string): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  for await (const { uri } of storage.list(`s3://${storage.bucket}/scene-images/${task}/`))
    frames.push(await storage.getBytes(uri, { maxBytes: 50_000_000 }));
  return frames;
}
