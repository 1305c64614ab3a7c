/** The story of a video task: while scenes are found in it, those found before are recognised and drawn; then it is published. */
import type { Page } from '@darkroom/contract';
import { defineJob } from './job.ts';

export const video = defineJob(async ({ on, step, stage, items }) => {
  const { probeVideo } = on('media', '5 minutes');
  const { splitVideo, publishVideo } = on('media');
  const { modelRoom, analyseFrames } = on('recognition', '5 minutes');
  const room = await step('probe', modelRoom);
  await stage('probe', probeVideo);

  /** Pages of scenes; what the ledger has already comes first. */
  async function* scenes(begin: number): AsyncGenerator<Page> {
    for (let from = begin, done = false; !done; ) {
      const page = await step('split', splitVideo, from, room);
      if (page.to > page.from) yield page;
      ({ to: from, done } = page);
    }
  }
  await items('recognise', scenes, analyseFrames, { atOnce: 2 });
  const exports = await step('publish', on('recognition').exportFindings);
  return stage('publish', publishVideo, exports);
});
