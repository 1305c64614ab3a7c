import type { Page } from '@darkroom/contract';
import { ApplicationFailure } from '@temporalio/activity';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeRun, type Fakes, reportOf, rest, startFakes } from './fakes.ts';

/** Pages of items on a real server: what runs beside what, what stops, what goes on. */

let fakes: Fakes;
beforeAll(async () => {
  // The server suggests to continue as new after so many events, 4,096 unless told otherwise.
  fakes = await startFakes(['limit.historyCount.suggestContinueAsNew=60']);
}, 60_000);
afterAll(async () => {
  await fakes?.stop();
});

const works = (run: FakeRun, what: 'begins' | 'ends'): string[] =>
  run.journal
    .filter((line) => line.startsWith('work') && line.endsWith(what))
    .map((line) => line.split(' ')[1]!);

/** Most pages in hand at once. */
function width(journal: readonly string[]): number {
  let now = 0;
  let most = 0;
  for (const line of journal.filter((each) => each.startsWith('work'))) {
    now += line.endsWith('begins') ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

/** Lets activities wait for each other. */
function gate(): { open(): void; passed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, passed: promise };
}

const page = (from: number, to = from + 10): Page => ({ from, to });

test('three pages are in hand at once, never more, and all are worked on', async () => {
  const three = gate();
  let inHand = 0;
  const run = await fakes.start('counted', 60, {
    work: async (_, found) => {
      if (++inHand === 3) three.open();
      await three.passed;
      await rest(30);
      return reportOf(found);
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  expect(width(run.journal)).toBe(3);
  expect(await run.scheduled()).toEqual([
    ...[1, 11, 21, 31, 41, 51].map((from) => `work ${from}–${from + 9}`),
    'publish',
  ]);
});

test('a page that used up its time goes on where it stopped, behind the others', async () => {
  const run = await fakes.start('counted', 50, {
    work: async (_, found) => {
      await rest(20);
      return reportOf(found, found.from === 1 ? 4 : null);
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  expect((await run.scheduled()).slice(-3)).toEqual(['work 41–50', 'work 4–10', 'publish']);
});

test('a page is worked on while the next one is found, and its rest while that takes long', async () => {
  const rested = gate();
  const run = await fakes.start('sought', 0, {
    find: async (_, from) => {
      if (from === 1) return page(1);
      if (from === 11) {
        // Ends only once all there is of the first page is done.
        await rested.passed;
        return page(11);
      }
      return null;
    },
    work: async (_, found) => {
      if (found.from === 1) return reportOf(found, 6);
      if (found.from === 6) rested.open();
      return reportOf(found);
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  expect(works(run, 'begins')).toEqual(['1–10', '6–10', '11–20']);
  expect(run.journal.indexOf('work 6–10 ends')).toBeLessThan(run.journal.indexOf('find 11 ends'));
});

test('a lane that fails stops the others, which end before the job does', async () => {
  const two = gate();
  const run = await fakes.start('counted', 100, {
    work: async (_, found) => {
      if (found.from === 11) {
        await two.passed;
        throw ApplicationFailure.create({ type: 'problem:source_changed', nonRetryable: true });
      }
      if (found.from === 21) two.open();
      await rest(30_000);
      return reportOf(found);
    },
  });
  expect(await run.closed()).toBe('FAILED');
  expect(run.finishes).toMatchObject([{ state: 'failed', code: 'source_changed' }]);
  expect(await run.scheduled()).toEqual(['work 1–10', 'work 11–20', 'work 21–30', 'clean up']);
  expect(works(run, 'ends')).toHaveLength(3);
  expect(run.journal.at(-1)).toBe('finish ends');
  expect(run.journal.slice(-3).every((line) => !line.startsWith('work') || line.endsWith('ends'))).toBe(true);
});

test('a lane that fails stops the search for pages, and a search that fails stops the lanes', async () => {
  const failure = ApplicationFailure.create({ type: 'problem:truncated_image', nonRetryable: true });
  const searching = gate();
  const lane = await fakes.start('sought', 0, {
    find: async (_, from) => {
      if (from === 1) return page(1);
      searching.open();
      await rest(30_000);
      return null;
    },
    work: async () => {
      await searching.passed;
      throw failure;
    },
  });
  const working = gate();
  const search = await fakes.start('sought', 0, {
    find: async (_, from) => {
      if (from === 1) return page(1);
      await working.passed;
      throw failure;
    },
    work: async (_, found) => {
      working.open();
      await rest(30_000);
      return reportOf(found);
    },
  });
  for (const run of [lane, search]) {
    expect(await run.closed()).toBe('FAILED');
    expect(run.finishes).toMatchObject([{ state: 'failed', code: 'truncated_image' }]);
    expect(run.journal.slice(-2)).toEqual(['finish begins', 'finish ends']);
    expect(run.journal.filter((line) => line.endsWith('begins')).length).toBe(run.journal.length / 2);
  }
});

test('a long job continues as new by page, where it was, pages cut short included', async () => {
  const cut = new Set<number>();
  const run = await fakes.start('counted', 300, {
    work: async (_, found) => {
      // Every other page is cut short once.
      const isCut = found.from % 20 === 1 && found.to === found.from + 10 && !cut.has(found.from);
      if (isCut) cut.add(found.from);
      return reportOf(found, isCut ? found.from + 5 : null);
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  const runs: { taken: number; from: number | undefined }[] = [];
  for (let runId: string | undefined = await firstRun(run); runId !== undefined; ) {
    const { events } = await fakes.temporal.client.workflow.getHandle(run.id, runId).fetchHistory();
    const [first] = events ?? [];
    const input = first?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
    runs.push({ taken: events?.length ?? 0, from: JSON.parse(Buffer.from(input!).toString()).cursor });
    runId = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  expect(runs.length).toBeGreaterThan(2);
  const cursors = runs.map(({ from }) => from ?? 1);
  expect(cursors).toEqual([...cursors].sort((a, b) => a - b));
  expect(new Set(cursors).size).toBe(runs.length);
  // Nothing in hand is thrown away, nothing is left out.
  expect(works(run, 'ends')).toHaveLength(works(run, 'begins').length);
  const covered = new Set<number>();
  for (const span of works(run, 'ends')) {
    const [from = 0, to = 0] = span.split('–').map(Number);
    const done =
      cut.has(from) && to === from + 9 && works(run, 'ends').filter((each) => each === span).length === 1;
    for (let item = from; item <= (done ? from + 4 : to); item++) covered.add(item);
  }
  expect(covered.size).toBe(300);
  expect(run.finishes).toEqual([]);
});

test('a cancel by signal reaches a job that continues as new', async () => {
  const run = await fakes.start('counted', 5000, {
    work: async (_, found) => {
      await rest(5);
      return reportOf(found);
    },
    // Longer than it takes to the next time.
    beforeCancel: () => rest(1500),
  });
  await run.until('work 201–210 ends');
  await run.handle.signal('cancel', 'enough');
  expect(await run.closed()).toBe('CANCELLED');
  expect(run.finishes).toEqual([{ state: 'cancelled', reason: 'enough' }]);
});

/** The run id that the chain of a job began with. */
async function firstRun(run: FakeRun): Promise<string> {
  const { raw } = await fakes.temporal.client.workflow.getHandle(run.id).describe();
  return raw.workflowExecutionInfo?.firstRunId ?? '';
}
