/** The story of a video task: while scenes are found in it, those found before are recognised and drawn; then it is published. */
import type { Page } from '@darkroom/contract';
import type { MediaActivities } from '@darkroom/media/activities.ts';
import type { RecognitionActivities } from '@darkroom/recognition/activities.ts';
import { defineJob } from './job.ts';

export const video = defineJob(async ({ on, step, stage, items }, { cursor }) => {
  const media = on<MediaActivities>('media');
  const recognition = on<RecognitionActivities>('recognition');
  const room = await step('probe', recognition.modelRoom);
  await stage('probe', media.probeVideo);

  /** Pages of scenes; what the ledger has already comes first. */
  async function* scenes(): AsyncGenerator<Page> {
    for (let from = cursor ?? 1, done = false; !done; ) {
      const page = await step('split', media.splitVideo, from, room);
      if (page.to > page.from) yield page;
      ({ to: from, done } = page);
    }
  }
  await items('recognise', scenes(), recognition.analyseFrames, { lanes: 2 });
  const exports = await step('publish', recognition.exportFindings);
  return stage('publish', media.publishVideo, exports);
});
