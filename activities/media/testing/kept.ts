import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { type KeptFrame, openVideo, type VideoFrame } from '../decode/reader.ts';
import { bytesSource } from './bytes-source.ts';

const limits = { pixels: 4e6, seconds: 3600 };

/** Frame number `nth` of a film of the tests, from 0 on, made into pictures by `work`; `look` sees it before it is kept. */
export function kept<T>(
  path: string,
  nth: number,
  work: (frame: KeptFrame) => T,
  look: (frame: VideoFrame) => void = () => {},
): T {
  const reader = openVideo(bytesSource(readFileSync(path)), limits);
  try {
    let count = 0;
    for (const frame of reader.frames(0)) {
      if (count++ < nth) continue;
      look(frame);
      const held = frame.keep();
      try {
        return work(held);
      } finally {
        held.release();
      }
    }
    throw new Error('The video is shorter.');
  } finally {
    reader.close();
  }
}

/** Samples of a coded picture, row by row, with its size. */
export async function pixels(picture: Buffer) {
  const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
  return { data, ...info };
}
