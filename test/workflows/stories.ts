/** Stories over fake activities, where the workflow's side of the frame is what is tested. */
import type { Call, EndState, Page, PageReport } from '@darkroom/contract';
import { defineJob, pagesOf } from '@darkroom/workflows/job.ts';

export interface FakeActivities {
  /** Finds the page that begins at an ordinal; null when there is none. */
  find(call: Call, from: number): Promise<Page | null>;
  work(call: Call, page: Page): Promise<PageReport>;
  publish(call: Call): Promise<{ state: EndState }>;
}

/** Pages of ten, all known from the start. */
export const counted = defineJob(async ({ on, items, stage }, { items: count, cursor }) => {
  const fake = on<FakeActivities>('light');
  await items('work', pagesOf(count, 10, cursor), fake.work);
  return stage('publish', fake.publish);
});

/** Pages that an activity finds one after the other. */
export const sought = defineJob(async ({ on, items, stage }) => {
  const fake = on<FakeActivities>('light');
  async function* pages(): AsyncGenerator<Page> {
    for (let from = 1; ; ) {
      const page = await stage('find', fake.find, from);
      if (page === null) return;
      yield page;
      from = page.to;
    }
  }
  await items('work', pages(), fake.work, { lanes: 2 });
  return stage('publish', fake.publish);
});

/** Has a mistake of its own. */
export const mistaken = defineJob(async () => {
  throw new TypeError('a mistake in the story');
});
