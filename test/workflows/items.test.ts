import { type Call, type JobStart, notTaken, type Page, released } from '@darkroom/contract';
import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attempt, type Behaviour, type FakeRun, type Fakes, reportOf, rest, startFakes } from './fakes.ts';

/** Pages of items on a real server: what runs beside what, what stops, what goes on. */

let fakes: Fakes;
beforeAll(async () => {
  // The server suggests to continue as new after so many events, 4,096 unless told otherwise.
  fakes = await startFakes(['limit.historyCount.suggestContinueAsNew=60']);
}, 180_000);
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

test('pages follow the time that their items take', async () => {
  const run = await fakes.start('measured', 1000, {
    work: async (_, found) => {
      await rest(20);
      return { ...reportOf(found), itemMs: 1 };
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  const spans = works(run, 'ends').map((span) => span.split('–').map(Number));
  expect(spans.reduce((sum, [from = 0, to = 0]) => sum + to - from + 1, 0)).toBe(1000);
  expect(Math.max(...spans.map(([from = 0, to = 0]) => to - from + 1))).toBeGreaterThan(200);
  const few = await fakes.start('measured', 20, {
    work: async (_, found) => ({ ...reportOf(found), end: { state: found.whole ? 'succeeded' : 'failed' } }),
  });
  expect(await few.handle.result()).toEqual({ state: 'succeeded' });
});

test('a page that used up its time goes on where it stopped, next, before pages that were not begun', async () => {
  const first = gate();
  const run = await fakes.start('counted', 60, {
    work: async (_, found) => {
      if (found.from === 1) return reportOf(found, 4);
      if (found.from === 4) first.open();
      // The others end behind it.
      else await first.passed;
      return reportOf(found);
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  expect(await run.scheduled()).toEqual([
    ...['work 1–10', 'work 11–20', 'work 21–30', 'work 4–10'],
    ...['work 31–40', 'work 41–50', 'work 51–60', 'publish'],
  ]);
});

describe('groups', () => {
  /** Groups `a` to `z` of ten items, `count` of them. */
  const letters = (count: number, from = 0): Page[] =>
    Array.from({ length: count }, (_, nth) => ({
      ...page(1 + 10 * (from + nth)),
      group: String.fromCharCode(97 + from + nth),
    }));

  test('are pages of one item of work each: never two of one at a time, however often their rests come', async () => {
    const inHand = new Set<string>();
    const twice: string[] = [];
    const four = Promise.withResolvers<void>();
    const run = await fakes.start('grouped', 120, {
      // Told in two parts, the one between them cut in two.
      findGroups: async (_, from) => {
        const told = [...letters(5), { ...page(51, 55), group: 'f' }, { ...page(55, 61), group: 'f' }];
        const all = [...told, ...letters(6, 6)].filter((each) => each.from >= from);
        return from < 55 ? { pages: all.filter(({ to }) => to <= 55), next: 55 } : { pages: all, next: null };
      },
      work: async (_, found) => {
        const group = found.group!;
        if (inHand.has(group)) twice.push(group);
        inHand.add(group);
        // However slowly a busy machine hands pages out: the first ones are in hand until there are four.
        if (inHand.size === 4) four.resolve();
        await Promise.race([four.promise, rest(20_000)]);
        await rest(20);
        inHand.delete(group);
        return reportOf(found, found.to - found.from > 4 ? found.from + 4 : null);
      },
    });
    expect(await run.closed()).toBe('COMPLETED');
    expect(twice).toEqual([]);
    expect(width(run.journal)).toBe(4);
    const spans = works(run, 'ends');
    expect(spans).toHaveLength(11 * 3 + 3);
    expect(spans.filter((span) => /^(51|55|59)–/.test(span))).toEqual(['51–54', '55–60', '59–60']);
  });

  test('whose items lie apart, as a listing may have them, are pages that wait for each other', async () => {
    const inHand = new Set<string>();
    const twice: string[] = [];
    const done: number[] = [];
    const run = await fakes.start('grouped', 120, {
      // Items of `a` and `b` in turn, among some of `c`.
      findGroups: async (_, from) => ({
        pages: Array.from({ length: 40 }, (_, nth) => ({
          ...page(nth + 1, nth + 2),
          group: 'ababc'[nth % 5]!,
        })).filter((each) => each.from >= from),
        next: null,
      }),
      work: async (_, found) => {
        const group = found.group!;
        if (inHand.has(group)) twice.push(group);
        inHand.add(group);
        await rest(5);
        inHand.delete(group);
        done.push(found.from);
        return reportOf(found);
      },
    });
    expect(await run.closed()).toBe('COMPLETED');
    expect(twice).toEqual([]);
    expect(done.sort((one, other) => one - other)).toEqual(Array.from({ length: 40 }, (_, nth) => nth + 1));
    expect(width(run.journal)).toBe(3);
  });

  test('that share a page wait for each of them, and for what has one of them in hand', async () => {
    const inHand = new Set<string>();
    const twice: string[] = [];
    const joined = (from: number, to: number, group: string, ...joined: string[]): Page => ({
      ...page(from, to),
      group,
      joined,
    });
    const run = await fakes.start('grouped', 50, {
      findGroups: async () => ({
        pages: [
          joined(1, 11, 'a', 'b', 'c'),
          joined(11, 21, 'd', 'e'),
          { ...page(21), group: 'b' },
          joined(31, 41, 'f', 'c', 'd'),
          { ...page(41), group: 'g' },
        ],
        next: null,
      }),
      work: async (_, found) => {
        const groups = [found.group!, ...(found.joined ?? [])];
        twice.push(...groups.filter((group) => inHand.has(group)));
        for (const group of groups) inHand.add(group);
        await rest(50);
        for (const group of groups) inHand.delete(group);
        return reportOf(found, found.to - found.from > 5 ? found.from + 5 : null);
      },
    });
    expect(await run.closed()).toBe('COMPLETED');
    expect(twice).toEqual([]);
    const spans = works(run, 'ends').map((span) => Number(span.split('–')[0]));
    expect(spans.sort((one, other) => one - other)).toEqual([1, 6, 11, 16, 21, 26, 31, 36, 41, 46]);
    // Two that have none in common are in hand together, and the last one needs not wait.
    expect(width(run.journal)).toBeGreaterThanOrEqual(3);
  });

  test('may be worked on by different queues, their rests too, and where they are open', async () => {
    const served = await Promise.all(['far', 'far@one'].map((queue) => fakes.serve(queue)));
    const seen: string[] = [];
    const run = await fakes.start('parted', 40, {
      findGroups: async () => ({
        pages: [
          { ...page(1), group: 'a', joined: ['b'] },
          { ...page(11), group: 'far:a', joined: ['far:b'] },
          { ...page(21), group: 'far:c' },
          page(31),
        ],
        next: null,
      }),
      work: async (_, found) => {
        const { taskQueue } = activityInfo();
        seen.push(`${found.from} at ${taskQueue}`);
        return {
          ...reportOf(found, found.from % 10 === 1 ? found.from + 5 : null),
          ...(found.from === 11 && { openAt: 'far@one' }),
        };
      },
    });
    expect(await run.closed()).toBe('COMPLETED');
    expect(seen.sort()).toEqual(
      ['1 at light', '6 at light', '11 at far', '16 at far@one', '21 at far', '26 at far']
        .concat(['31 at light', '36 at light'])
        .sort(),
    );
    await Promise.all(served.map((worker) => worker.stop()));
  }, 180_000);

  test('go on at the worker that has them open; another takes over where it is gone, which is no outage', async () => {
    const own = await fakes.serve('light@one');
    const seen: string[] = [];
    const run = await fakes.start('grouped', 20, {
      findGroups: async () => ({ pages: letters(2), next: null }),
      work: async (_, found) => {
        seen.push(`${found.from} at ${activityInfo().taskQueue}`);
        if (found.from === 5) void own.stop();
        return {
          ...reportOf(found, found.from % 10 < 9 ? found.from + 4 : null),
          ...(found.group === 'a' && { openAt: 'light@one' }),
        };
      },
    });
    expect(await run.closed()).toBe('COMPLETED');
    expect(seen.filter((line) => /^[1-9] /.test(line))).toEqual([
      '1 at light',
      '5 at light@one',
      '9 at light',
    ]);
    expect(seen.filter((line) => /^\d\d /.test(line))).toEqual(['11 at light', '15 at light', '19 at light']);
    expect(run.finishes).toEqual([]);
  }, 180_000);

  test('go back to all workers where the one that has them open has no slot for them', async () => {
    const own = await fakes.serve('light@busy');
    const seen: string[] = [];
    const run = await fakes.start('grouped', 10, {
      findGroups: async () => ({ pages: letters(1), next: null }),
      work: async (_, found) => {
        const { taskQueue } = activityInfo();
        seen.push(`${found.from} at ${taskQueue}`);
        if (taskQueue === 'light@busy') throw ApplicationFailure.nonRetryable('No slot.', notTaken);
        return { ...reportOf(found, found.from === 1 ? 5 : null), openAt: 'light@busy' };
      },
    });
    expect(await run.closed()).toBe('COMPLETED');
    expect(seen).toEqual(['1 at light', '5 at light@busy', '5 at light']);
    await own.stop();
  });

  describe('are asked of one worker once', () => {
    const endings = [
      { how: 'failed', error: new Error('The store is away.'), failed: true },
      {
        how: 'was released by a worker that stops',
        error: ApplicationFailure.retryable('It stops.', released),
        failed: false,
      },
    ];
    test.each(endings)('what $how there goes on anywhere, as its next attempt', async ({ error, failed }) => {
      const own = await fakes.serve('light@one');
      const seen: { queue: string; activity: string; replaces: Call['replaces'] }[] = [];
      const run = await fakes.start('grouped', 10, {
        findGroups: async () => ({ pages: letters(1), next: null }),
        work: async ({ replaces }, found) => {
          const { taskQueue: queue, activityId: activity } = activityInfo();
          seen.push({ queue, activity, replaces });
          if (queue !== 'light' || attempt() < Number(replaces && 2)) throw error;
          return { ...reportOf(found, found.from === 1 ? 5 : null), openAt: 'light@one' };
        },
      });
      expect(await run.closed()).toBe('COMPLETED');
      const [, there, ...anywhere] = seen;
      expect(there).toMatchObject({ queue: 'light@one', replaces: undefined });
      const next = { queue: 'light', replaces: { activity: there?.activity, failed } };
      expect(anywhere).toMatchObject([next, next]);
      await own.stop();
    });

    test('what failed there for good fails the job', async () => {
      const own = await fakes.serve('light@one');
      const run = await fakes.start('grouped', 10, {
        findGroups: async () => ({ pages: letters(1), next: null }),
        work: async (_, found) => {
          if (activityInfo().taskQueue === 'light') return { ...reportOf(found, 5), openAt: 'light@one' };
          throw ApplicationFailure.nonRetryable('Too large.', 'problem:too_large');
        },
      });
      expect(await run.closed()).toBe('FAILED');
      expect(run.finishes).toMatchObject([{ state: 'failed', code: 'too_large' }]);
      await own.stop();
    });
  });
});

test('a job of one page is published by it, where the activity can; one that cannot leaves that to the story', async () => {
  const seen: (boolean | undefined)[] = [];
  const one = await fakes.start('counted', 10, {
    work: async (_, found) => {
      seen.push(found.whole);
      return { ...reportOf(found), end: { state: 'succeeded_with_warnings' } };
    },
  });
  expect(await one.handle.result()).toEqual({ state: 'succeeded_with_warnings' });
  expect(await one.scheduled()).toEqual(['work 1–10']);
  const older = await fakes.start('counted', 10, { work: async (_, found) => reportOf(found) });
  expect(await older.handle.result()).toEqual({ state: 'succeeded' });
  expect(await older.scheduled()).toEqual(['work 1–10', 'publish']);
  // Cut short, the rest is the whole of what is left.
  const cut = await fakes.start('counted', 10, {
    work: async (_, found) => {
      seen.push(found.whole);
      return found.from === 1 ? reportOf(found, 5) : { ...reportOf(found), end: { state: 'succeeded' } };
    },
  });
  expect(await cut.closed()).toBe('COMPLETED');
  expect(await cut.scheduled()).toEqual(['work 1–10', 'work 5–10']);
  expect(seen).toEqual([true, true, true]);
});

test('a story is told again from its beginning when objects are missing at its end, a few times', async () => {
  let ends = 0;
  const once = await fakes.start('counted', 10, {
    work: async (_, found) => ({
      ...reportOf(found),
      end: ++ends === 1 ? { missing: 3 } : { state: 'succeeded' },
    }),
  });
  expect(await once.handle.result()).toEqual({ state: 'succeeded' });
  expect(await once.scheduled()).toEqual(['work 1–10', 'work 1–10']);
  let published = 0;
  const continued = await fakes.start(
    'counted',
    30,
    { publish: async () => (++published === 1 ? { missing: 1 } : { state: 'succeeded' }) },
    { cursor: 21 },
  );
  expect(await continued.handle.result()).toEqual({ state: 'succeeded' });
  expect(await continued.scheduled()).toEqual([
    ...['work 21–30', 'publish'],
    ...['work 1–10', 'work 11–20', 'work 21–30', 'publish'],
  ]);
  const always = await fakes.start('counted', 10, { publish: async () => ({ missing: 2 }) });
  expect(await always.closed()).toBe('FAILED');
  expect(always.finishes).toMatchObject([{ state: 'failed', code: 'internal' }]);
  expect(await always.scheduled()).toHaveLength(2 * 4 + 1);
});

test('no page of several is the whole of a job, nor is the last one of a job that continued as new', async () => {
  const seen: (boolean | undefined)[] = [];
  const work: Behaviour['work'] = async (_, found) => {
    seen.push(found.whole);
    return reportOf(found);
  };
  await (await fakes.start('counted', 20, { work })).closed();
  await (await fakes.start('counted', 20, { work }, { cursor: 11 })).closed();
  expect(seen).toEqual([undefined, undefined, undefined]);
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

test('a page that fails stops the search for pages, and a search that fails stops the pages', async () => {
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

test('a long job continues as new by page, where it was, pages cut short included, and shows all its stages', async () => {
  const cut = new Set<number>();
  const shown: string[] = [];
  const behaviour: Behaviour = {
    work: async (_, found) => {
      // The first page of a run that has continued: what is shown then was counted before.
      if (found.from > 150 && shown.length === 0) shown.push(await details(run));
      // Every other page is cut short once.
      const isCut = found.from % 20 === 1 && found.to === found.from + 10 && !cut.has(found.from);
      if (isCut) cut.add(found.from);
      return reportOf(found, isCut ? found.from + 5 : null);
    },
  };
  // The page that asks for what is shown sends no heartbeat meanwhile, and is not to be tried again for it.
  const run: FakeRun = await fakes.start('counted', 300, behaviour, { timing: { heartbeatSeconds: 60 } });
  expect(await run.closed()).toBe('COMPLETED');
  const runs = await chainOf(run);
  expect(runs.length).toBeGreaterThan(2);
  const cursors = runs.map(({ start }) => start.cursor ?? 1);
  expect(cursors).toEqual([...cursors].sort((a, b) => a - b));
  expect(new Set(cursors).size).toBe(runs.length);
  for (const { start } of runs.slice(1)) {
    expect(start.open!.pages.length).toBeGreaterThan(0);
    expect(start.open!.pages.length).toBeLessThanOrEqual(4);
    expect(start.counts).toMatchObject([{ name: 'work', total: 100 }]);
  }
  // Nothing in hand is thrown away, nothing is left out, nothing comes twice.
  const ends = works(run, 'ends');
  expect(ends).toHaveLength(works(run, 'begins').length);
  const cuts = [...cut].map((from) => `${from + 5}–${from + 9}`);
  const whole = Array.from({ length: 30 }, (_, nth) => `${10 * nth + 1}–${10 * nth + 10}`);
  expect([...ends].sort()).toEqual([...whole, ...cuts].sort());
  expect(shown[0]).toMatch(/\| work \| [1-9]\d* \/ 100 \|/);
  expect(run.finishes).toEqual([]);
});

test('groups go on where they were when the job continues as new', async () => {
  const spans: string[] = [];
  const run = await fakes.start('grouped', 400, {
    findGroups: async (_, from) => ({
      pages: Array.from({ length: 20 }, (_, nth) => ({
        ...page(1 + 20 * nth, 21 + 20 * nth),
        group: `tile-${nth}`,
      })).filter((each) => each.from >= from),
      next: null,
    }),
    work: async (_, found) => {
      spans.push(`${found.group}:${found.from}`);
      return reportOf(found, found.from + 5);
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  expect((await chainOf(run)).length).toBeGreaterThan(3);
  expect(spans.toSorted()).toEqual(
    Array.from({ length: 80 }, (_, nth) => `tile-${Math.floor(nth / 4)}:${5 * nth + 1}`).toSorted(),
  );
});

test('each stage of items goes on where it was itself when the job continues as new, and what is done stays so', async () => {
  const spans: string[] = [];
  const run = await fakes.start('twice', 300, {
    work: async ({ stage }, found) => {
      spans.push(`${stage}:${found.from}`);
      return reportOf(found);
    },
  });
  expect(await run.closed()).toBe('COMPLETED');
  const stages = (await chainOf(run)).map(({ start }) => start.open?.stage);
  expect(new Set(stages)).toEqual(new Set([undefined, 'draft', 'work']));
  const froms = Array.from({ length: 30 }, (_, nth) => 10 * nth + 1);
  expect(spans.toSorted()).toEqual(
    ['draft', 'work'].flatMap((stage) => froms.map((from) => `${stage}:${from}`)).toSorted(),
  );
});

test('a run in flight that an older version continued goes on where that was', async () => {
  const run = await fakes.start('twice', 30, {}, { cursor: 21 });
  expect(await run.closed()).toBe('COMPLETED');
  expect(works(run, 'ends')).toEqual(['21–30', '21–30']);
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

test('a cancel is not lost, whenever it comes to a job that continues as new', async () => {
  const cancelled = async (nth: number): Promise<void> => {
    const run = await fakes.start('counted', 100_000, { work: async (_, found) => reportOf(found) });
    // Spread over what a run lasts, a dozen pages: some meet the moment between two runs.
    await run.until(`work ${50 + 10 * nth + 1}–${50 + 10 * nth + 10} ends`);
    if (nth % 2 === 0) await run.handle.signal('cancel', `reason ${nth}`);
    else await run.handle.cancel();
    expect(await run.closed()).toBe('CANCELLED');
    expect(run.finishes).toEqual([
      { state: 'cancelled', reason: nth % 2 === 0 ? `reason ${nth}` : 'Cancelled in Temporal.' },
    ]);
  };
  await Promise.all(Array.from({ length: 24 }, (_, nth) => cancelled(nth)));
}, 180_000);

interface Link {
  readonly taken: number;
  readonly start: JobStart;
}

/** The runs of a job's chain: what each was started with. */
async function chainOf(run: FakeRun): Promise<Link[]> {
  const { raw } = await fakes.temporal.client.workflow.getHandle(run.id).describe();
  const runs: Link[] = [];
  for (let runId = raw.workflowExecutionInfo?.firstRunId; runId; ) {
    const { events } = await fakes.temporal.client.workflow.getHandle(run.id, runId).fetchHistory();
    const input = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
    runs.push({ taken: events?.length ?? 0, start: JSON.parse(Buffer.from(input!).toString()) });
    runId = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
  }
  return runs;
}

/** What Temporal's Web UI shows of a job now. */
async function details({ handle }: FakeRun): Promise<string> {
  const { currentDetails } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return currentDetails ?? '';
}
