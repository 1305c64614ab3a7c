/** Stories over fake activities, where the workflow's side of the frame is what is tested. */
import type { Call, Page, PageReport, Published } from '@darkroom/contract';
import { defineJob, pagesByTime, pagesOf } from '@darkroom/workflows/job.ts';

/** What the queue has in whose place the fakes are. */
interface FakeQueues {
  light: FakeActivities;
}

export interface FakeActivities {
  /** Finds the page that begins at an ordinal; null when there is none. */
  find(call: Call, from: number): Promise<Page | null>;
  work(call: Call, page: Page): Promise<PageReport>;
  publish(call: Call): Promise<Published>;
}

/** Pages of ten, all known from the start. */
export const counted = defineJob<FakeQueues>(async ({ on, items, stage }, { items: count }) => {
  const fake = on('light');
  const end = await items('work', (from) => pagesOf(count, 10, from), fake.work);
  return end ?? stage('publish', fake.publish);
});

/** Pages as large as their items' time allows. */
export const measured = defineJob<FakeQueues>(async ({ on, items, stage }, { items: count }) => {
  const fake = on('light');
  const end = await items('work', (from) => pagesByTime(count, from), fake.work);
  return end ?? stage('publish', fake.publish);
});

/** Pages that an activity finds one after the other. */
export const sought = defineJob<FakeQueues>(async ({ on, items, stage }) => {
  const fake = on('light');
  async function* pages(): AsyncGenerator<Page> {
    for (let from = 1; ; ) {
      const page = await stage('find', fake.find, from);
      if (page === null) return;
      yield page;
      from = page.to;
    }
  }
  await items('work', pages, fake.work, { atOnce: 2 });
  return stage('publish', fake.publish);
});

/** Two stages of items, one after the other. */
export const twice = defineJob<FakeQueues>(async ({ on, items, stage }, { items: count }) => {
  const fake = on('light');
  await items('draft', (from) => pagesOf(count, 10, from), fake.work);
  await items('work', (from) => pagesOf(count, 10, from), fake.work);
  return stage('publish', fake.publish);
});

/** Pages by group. */
export const grouped = defineJob<FakeQueues>(async ({ on, groups, items, stage }) => {
  const { work, publish } = on('light');
  await items('work', groups('work'), work, { atOnce: 4 });
  return stage('publish', publish);
});

/** Pages by group, some of them on a queue of their own. */
export const parted = defineJob<FakeQueues & { far: FakeActivities }>(
  async ({ on, groups, items, stage }) => {
    const [near, far] = [on('light'), on('far')];
    const pages = groups('work');
    await items('work', pages, ({ group }) => (group?.startsWith('far:') ? far : near).work, { atOnce: 4 });
    return stage('publish', near.publish);
  },
);

/** Two stages side by side. */
export const sideBySide = defineJob<FakeQueues>(async ({ on, stage }) => {
  const fake = on('light');
  await Promise.all([stage('find', fake.find, 1), stage('work', fake.work, { from: 1, to: 11 })]);
  return stage('publish', fake.publish);
});

/** Asks for hours. */
export const long = defineJob<FakeQueues>(async ({ on, stage }) =>
  stage('publish', on('light', '2 hours').publish),
);

/** Has a mistake of its own. */
export const mistaken = defineJob<FakeQueues>(async () => {
  throw new TypeError('a mistake in the story');
});
