import { type VideoInfo, videoOptions } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { requireFewFrames } from './split-activity.ts';

const info = (seconds: number | null): VideoInfo => ({
  container: 'mp4',
  codec: 'h264',
  pixelFormat: 'yuv420p',
  width: 640,
  height: 360,
  rotation: 0,
  seconds,
  framesPerSecond: 25,
  interlaced: false,
  hdr: false,
  videoStreams: 1,
});
const options = (changes: object) => videoOptions.parse(changes);

it('refuses more samples than there may be before the video is split, and says what to do', () => {
  const problem = { name: 'ProblemError', code: 'too_many_items' };
  const refused = () => requireFewFrames(options({ sampleEvery: 0.5 }), info(600), 1000);
  expect(refused).toThrow(expect.objectContaining(problem));
  expect(refused).toThrow(/every 0.5 s .* more than 1000 .*LIMIT_VIDEO_SCENES.*larger sampleEvery/);
  // What is not known, not asked for, or few is told by the split itself.
  requireFewFrames(options({ sampleEvery: 0.5 }), info(null), 1000);
  requireFewFrames(options({}), info(1e6), 1000);
  requireFewFrames(options({ sampleEvery: 0.5, from: 200 }), info(600), 1000);
  requireFewFrames(options({ sampleEvery: 0.6 }), info(600), 1000);
});
