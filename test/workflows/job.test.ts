import type { JobStart } from '@darkroom/contract';
import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attempt, type Fakes, reportOf, rest, startFakes } from './fakes.ts';

/** The workflow's side of the frame on a real server: how a job ends, and what Temporal's Web UI shows of it. */

let fakes: Fakes;
beforeAll(async () => {
  fakes = await startFakes();
}, 180_000);
afterAll(async () => {
  await fakes?.stop();
});

const problem = (code: string, nonRetryable = true) =>
  ApplicationFailure.create({ type: `problem:${code}`, message: 'no good', nonRetryable });

/** Works until it is told to stop; then puts things in order for a while. */
const tidy = async (): Promise<never> => {
  try {
    await rest(30_000);
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    throw error;
  }
  throw new Error('it was never told to stop');
};

describe('a cancel', () => {
  test('by signal carries its reason, waits for the activity to end, and closes the run as Canceled', async () => {
    const run = await fakes.start('counted', 10, { work: tidy });
    await run.until('work 1–10 begins');
    await run.handle.signal('cancel', 'the wrong photos');
    expect(await run.closed()).toBe('CANCELLED');
    expect(run.finishes).toEqual([{ state: 'cancelled', reason: 'the wrong photos' }]);
    expect(run.journal).toEqual(['work 1–10 begins', 'work 1–10 ends', 'finish begins', 'finish ends']);
  });

  test('waits for all that a story does side by side', async () => {
    const find = async () => {
      await rest(30_000);
      return null;
    };
    const run = await fakes.start('sideBySide', 0, { find, work: tidy });
    await Promise.all([run.until('find 1 begins'), run.until('work 1–10 begins')]);
    await run.handle.cancel();
    expect(await run.closed()).toBe('CANCELLED');
    expect(run.journal.slice(2)).toEqual(['find 1 ends', 'work 1–10 ends', 'finish begins', 'finish ends']);
  });

  test("by Temporal's own way ends the same way", async () => {
    const run = await fakes.start('counted', 10, { work: tidy });
    await run.until('work 1–10 begins');
    await run.handle.cancel();
    expect(await run.closed()).toBe('CANCELLED');
    expect(run.finishes).toEqual([{ state: 'cancelled', reason: 'Cancelled in Temporal.' }]);
    expect(run.journal).toEqual(['work 1–10 begins', 'work 1–10 ends', 'finish begins', 'finish ends']);
  });

  test('that meets a failure closes the run as what the row says', async () => {
    const run = await fakes.start('counted', 10, {
      work: async () => {
        await rest(30_000).catch(() => {});
        throw problem('truncated_image');
      },
    });
    await run.until('work 1–10 begins');
    await run.handle.cancel();
    expect(await run.closed()).toBe('CANCELLED');
    expect(run.finishes).toMatchObject([{ state: 'cancelled' }]);
  });

  test('stops the search for pages and the pages, and waits for both', async () => {
    const run = await fakes.start('sought', 0, {
      find: async (_, from) => (from === 1 ? { from: 1, to: 11 } : await tidy()),
      work: tidy,
    });
    await Promise.all([run.until('work 1–10 begins'), run.until('find 11 begins')]);
    await run.handle.cancel();
    expect(await run.closed()).toBe('CANCELLED');
    const before = run.journal.slice(0, run.journal.indexOf('finish begins'));
    expect(before).toContain('work 1–10 ends');
    expect(before).toContain('find 11 ends');
  });
});

describe('a failure', () => {
  test('that no retry helps ends the job by its code, and the run as Failed', async () => {
    let tries = 0;
    const run = await fakes.start('counted', 10, {
      work: async () => {
        tries++;
        throw problem('source_changed');
      },
    });
    expect(await run.closed()).toBe('FAILED');
    expect(run.finishes).toEqual([{ state: 'failed', code: 'source_changed', detail: 'no good' }]);
    expect(tries).toBe(1);
  });

  test('that a retry helps is retried, and nobody hears of it', async () => {
    const run = await fakes.start('counted', 10, {
      work: async (_, page) => {
        if (attempt() < 3) throw problem('storage_unavailable', false);
        return reportOf(page);
      },
    });
    expect(await run.closed()).toBe('COMPLETED');
    expect(run.journal.filter((line) => line === 'work 1–10 begins')).toHaveLength(3);
    expect(run.finishes).toEqual([]);
  });

  test('of the story itself, a mistake, fails the job instead of being tried for ever', async () => {
    const run = await fakes.start('mistaken', 1);
    expect(await run.closed()).toBe('FAILED');
    expect(run.finishes).toEqual([{ state: 'failed', code: 'internal', detail: 'a mistake in the story' }]);
  });
});

describe("Temporal's Web UI", () => {
  test('shows the stages as a table, a summary on each activity, and the state to search by', async () => {
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const run = await fakes.start('counted', 20, {
      work: async (_, page) => ({
        next: null,
        stages: [{ name: 'work', done: page.to - 1, failed: page.from === 1 ? 3 : 4, total: 20 }],
      }),
      publish: async () => {
        await held;
        return { state: 'succeeded_with_warnings' };
      },
    });
    await run.until('publish begins');
    expect(await details(run.handle)).toBe(
      [
        '**Fake** · running · run 1',
        '',
        '| stage | done | failed |',
        '| --- | --- | --- |',
        '| work | 20 / 20 | 4 |',
        '| publish | – |  |',
      ].join('\n'),
    );
    goOn();
    expect(await run.closed()).toBe('COMPLETED');
    expect(await details(run.handle)).toContain('succeeded_with_warnings');
    expect(await details(run.handle)).toContain('| publish | done |  |');
    expect(await run.scheduled()).toEqual(['work 1–10', 'work 11–20', 'publish']);
    expect((await run.handle.describe()).searchAttributes.JobState).toEqual(['succeeded_with_warnings']);
  });

  test('shows a cancelled job and a failed one as such', async () => {
    const failing = await fakes.start('counted', 10, {
      work: async () => {
        throw problem('source_changed');
      },
    });
    const cancelled = await fakes.start('counted', 10, { work: tidy });
    await cancelled.until('work 1–10 begins');
    await cancelled.handle.cancel();
    for (const [run, state] of [
      [failing, 'failed'],
      [cancelled, 'cancelled'],
    ] as const) {
      await run.closed();
      expect((await run.handle.describe()).searchAttributes.JobState).toEqual([state]);
      expect(await details(run.handle)).toContain(`· ${state} ·`);
    }
  });

  interface Metadata {
    readonly currentDetails?: string;
  }
  const details = async (handle: { query<R>(name: string): Promise<R> }): Promise<string> =>
    (await handle.query<Metadata>('__temporal_workflow_metadata')).currentDetails ?? '';
});

test('an activity gets the hours that the kind said when the run began, and no more: a removal would not wait for it', async () => {
  const minutes = async (changes: Partial<JobStart>): Promise<number | undefined> => {
    let most: number | undefined;
    const publish = async () => {
      most = activityInfo().startToCloseTimeoutMs;
      return { state: 'succeeded' } as const;
    };
    const run = await fakes.start('long', 0, { publish }, changes);
    expect(await run.closed()).toBe('COMPLETED');
    return most && most / 60_000;
  };
  // Of a run that began before its kind had said so, or had said as much.
  expect(await minutes({})).toBe(10);
  expect(await minutes({ longest: '1 hour' })).toBe(60);
  expect(await minutes({ longest: '3 hours' })).toBe(120);
});
