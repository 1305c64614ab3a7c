import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { services } from '@darkroom/api/app.ts';
import { ProblemError } from '@darkroom/contract';
import { finishJob, listItems, requestCancel } from '@darkroom/records';
import { alone, keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InProcess, startInProcess } from '../harness/in-process.ts';
import { registerTallies } from '../new-kind/route.ts';
import { dispatchPlay, kinds, play, queues, slots, submitPlay, timesWorked, worked } from './plays.ts';

/** Both sides of the frame on the real parts: the toy kind, whose texts act as a test wants. */

let house: InProcess;
beforeAll(async () => {
  house = await startInProcess('frame', {
    kinds,
    queues,
    services: [...services, registerTallies],
    workflows: fileURLToPath(new URL('tallies.ts', import.meta.url)),
  });
}, 300_000);
afterAll(async () => {
  await house?.close();
}, 180_000);

const objectsOf = async (id: string): Promise<string[]> =>
  (await keysUnder(house.storage, `tallies/${id}/`)).map((key) => key.slice(`tallies/${id}/`.length));

const problemsOf = async (id: string) =>
  (await listItems(house.records.db, id, { limit: 100 })).map(({ key, state, attempt, problem }) => ({
    key,
    state,
    attempt,
    code: problem?.code ?? null,
  }));

const until = async (ready: () => boolean | Promise<boolean>): Promise<void> => {
  await expect.poll(ready, { timeout: 60_000, interval: 30 }).toBe(true);
};

describe('the order of execution', () => {
  interface Task {
    readonly jobId: string;
    readonly token: Uint8Array;
  }

  /** Takes workflow tasks one after the other, as a worker with one slot does, until those of all `jobs` were seen. */
  async function takeWorkflowTasks(jobs: readonly string[]): Promise<string[]> {
    const service = house.temporal.workflowService;
    const { namespace } = house.config.temporal;
    const taken: Task[] = [];
    const seen = (): string[] => taken.map(({ jobId }) => jobId).filter((jobId) => jobs.includes(jobId));
    // A run that has started is not in its queue at once: who asks before all are there gets what is.
    await until(async () => {
      const { stats } = await service.describeTaskQueue({
        namespace,
        taskQueue: { name: 'light' },
        taskQueueType: 1, // temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        reportStats: true,
      });
      return Number(stats?.approximateBacklogCount ?? 0) >= jobs.length;
    });
    while (seen().length < jobs.length) {
      const { taskToken, workflowExecution } = await house.temporal.withDeadline(Date.now() + 10_000, () =>
        service.pollWorkflowTaskQueue({ namespace, taskQueue: { name: 'light' }, identity: 'test' }),
      );
      taken.push({ jobId: workflowExecution?.workflowId ?? '', token: taskToken });
    }
    // Given back, a worker gets them again at once.
    for (const { token } of taken) {
      await service.respondWorkflowTaskFailed({ namespace, taskToken: token, identity: 'test' });
    }
    return seen();
  }

  const submitMany = async (
    owner: string,
    priority: number,
    count: number,
    name: string,
  ): Promise<string[]> => {
    const ids: string[] = [];
    for (const text of play(name, count)) {
      const { jobId } = await house.dispatch.submit(
        'tally',
        { owner, group: null, role: 'user', priority },
        { input: { letter: 'e' }, fingerprint: text, stage: 'count', items: [{ key: '1', input: { text } }] },
      );
      ids.push(jobId);
    }
    await house.dispatch.settled();
    return ids;
  };

  beforeAll(() => {
    // One slot, so that order shows.
    slots.tally = 1;
  });
  afterAll(() => {
    slots.tally = 4;
  });

  const ended = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) await house.temporal.workflow.getHandle(id).result();
  };

  /** Waits until an activity of each job waits in its queue. */
  const activitiesWait = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) {
      await until(async () => {
        const { raw } = await house.temporal.workflow.getHandle(id).describe();
        return (raw.pendingActivities ?? []).length > 0;
      });
    }
  };

  const nameOf = (text: string): string => text.split(':')[0]!;

  test("a job's priority reaches Temporal: what is urgent runs first, workflows and activities", async () => {
    const bulk = await submitMany('an', 5, 6, 'bulk');
    const urgent = await submitMany('an', 1, 3, 'urgent');
    const order = await takeWorkflowTasks([...bulk, ...urgent]);
    expect(order.slice(0, 3).sort()).toEqual([...urgent].sort());

    const light = await house.work(['light']);
    await activitiesWait([...bulk, ...urgent]);
    const late = await submitMany('an', 1, 3, 'late');
    await activitiesWait(late);
    const from = worked.length;
    const tally = await house.work(['tally']);
    await until(() => worked.length >= from + 12);
    const names = worked.slice(from).map(nameOf);
    expect(names.slice(0, 6).sort()).toEqual(['late', 'late', 'late', 'urgent', 'urgent', 'urgent']);
    await ended([...bulk, ...urgent, ...late]);
    await light.stop();
    await tally.stop();
  }, 180_000);

  test("a job's owner reaches Temporal: one with many jobs does not hold up another's few", async () => {
    const many = await submitMany('ben', 3, 20, 'many');
    const few = await submitMany('cem', 3, 3, 'few');
    const order = await takeWorkflowTasks([...many, ...few]);
    const last = Math.max(...few.map((id) => order.indexOf(id)));
    // One of ben's, one of cem's, in turn; first come, first served would put cem's at 20 to 22.
    expect(last).toBeLessThanOrEqual(7);

    const light = await house.work(['light']);
    await activitiesWait([...many, ...few]);
    const late = await submitMany('dee', 3, 3, 'late-few');
    await activitiesWait(late);
    const from = worked.length;
    const tally = await house.work(['tally']);
    await until(() => worked.length >= from + 26);
    const names = worked.slice(from).map(nameOf);
    expect(names.lastIndexOf('late-few')).toBeLessThanOrEqual(10);
    expect(names.lastIndexOf('few')).toBeLessThanOrEqual(10);
    await ended([...many, ...few, ...late]);
    await light.stop();
    await tally.stop();
  }, 180_000);

  test('jobs begin in about the order of the places that they were told', async () => {
    const counts = { eve: 10, fay: 3, gus: 1 };
    const ids = [
      ...(await submitMany('eve', 3, counts.eve, 'eve')),
      ...(await submitMany('fay', 3, counts.fay, 'fay')),
      ...(await submitMany('gus', 1, counts.gus, 'gus')),
    ];
    const light = await house.work(['light']);
    await activitiesWait(ids);
    const placesOf = async (owner: string): Promise<number[]> =>
      (await house.dispatch.queue.jobsOf(owner, 20)).map(({ queue }) => queue.place);
    // What others have is counted about once a second.
    await expect.poll(() => placesOf('fay'), { timeout: 60_000 }).toEqual([3, 5, 7]);
    const told = Object.fromEntries(
      await Promise.all(Object.keys(counts).map(async (owner) => [owner, await placesOf(owner)] as const)),
    );
    const from = worked.length;
    const tally = await house.work(['tally']);
    await until(() => worked.length >= from + ids.length);
    const names = worked.slice(from).map(nameOf);
    for (const [owner, places] of Object.entries(told)) {
      const began = names.flatMap((name, i) => (name === owner ? [i + 1] : []));
      expect(began).toHaveLength(places.length);
      // Whose turn is first in a round is not told exactly.
      const off = began.map((place, i) => Math.abs(place - places[i]!));
      expect(Math.max(...off)).toBeLessThanOrEqual(2);
    }
    await ended(ids);
    await light.stop();
    await tally.stop();
  }, 180_000);

  test("a job whose pages come back and back leaves another's their turns", async () => {
    const light = await house.work(['light']);
    // One text a page: the rest of each goes on next within the job.
    const { id: long } = await submitPlay(house, 'long-pages', 12, { budgetMs: 1, item: () => sleep(20) });
    await activitiesWait([long]);
    const { id: other } = await submitPlay(house, 'other-pages', 3, { budgetMs: 1, item: () => sleep(20) });
    await activitiesWait([other]);
    const from = worked.length;
    const tally = await house.work(['tally']);
    await until(() => worked.length >= from + 15);
    const names = worked.slice(from).map(nameOf);
    expect(names.lastIndexOf('other-pages')).toBeLessThanOrEqual(9);
    expect(names.slice(0, 9)).toContain('long-pages');
    await ended([long, other]);
    await light.stop();
    await tally.stop();
  }, 180_000);

  test("groups that a worker has open leave another's pages their turns at its slots", async () => {
    const workers = [await house.work(['light']), await house.work(['grouped'])];
    // More groups than slots, and of each the rest of a page is at once at the worker's own queue.
    const groups = { budgetMs: 1, item: () => sleep(20), groupOf: (nth: number) => `g${nth % 8}` };
    const sorted = { ...groups, groupOf: (nth: number) => `g${Math.floor((nth - 1) / 500)}` };
    const long = await dispatchPlay(house, 'tally-by-group', 'open-groups', 4000, sorted);
    const done = (name: string): number => worked.filter((text) => nameOf(text) === name).length;
    await until(() => done('open-groups') >= 40);
    const from = done('open-groups');
    const { id: other } = await dispatchPlay(house, 'tally-by-group', 'between-groups', 6, groups);
    await until(() => done('between-groups') === 6);
    // Some eight, about as many as without queues of a worker's own; all the groups would be 4,000.
    expect(done('open-groups') - from).toBeLessThan(100);
    await ended([other]);
    await long.user.post(`/v1/jobs/${long.id}/cancel`);
    expect(await long.user.ended(long.id)).toMatchObject({ state: 'cancelled' });
    for (const worker of workers) await worker.stop();
  }, 180_000);
});

describe('with workers', () => {
  beforeAll(async () => {
    await house.work(['light', 'tally']);
  });

  describe('a cancel', () => {
    const ways = [
      { way: 'by the API', reason: 'wrong texts', cancel: 'api' },
      { way: 'by the signal of the Web UI', reason: 'wrong queue', cancel: 'signal' },
      { way: "by Temporal's own", reason: 'Cancelled in Temporal.', cancel: 'own' },
    ] as const;
    test.each(ways)(
      '$way: what was done stays, what was half-done goes, the run closes as Canceled',
      async (one) => {
        const name = `cancel-${one.cancel}`;
        let ended = 0;
        const { id, user } = await submitPlay(house, name, 12, {
          async item(text, { signal, jobId, storage }) {
            if (Number(text.split(':')[1]) < 3) return;
            await storage.putBytes(`tallies/${jobId}/half-${text}`, Buffer.from('half'), {
              contentType: 'text/plain',
            });
            await sleep(20_000, undefined, { signal }).finally(() => ended++);
          },
        });
        // Three pages of four, two texts of each in hand.
        await until(async () => (await objectsOf(id)).length === 8);
        const handle = house.temporal.workflow.getHandle(id);
        if (one.cancel === 'api') await user.post(`/v1/jobs/${id}/cancel`, { reason: one.reason });
        else if (one.cancel === 'signal') await handle.signal('cancel', one.reason);
        else await handle.cancel();
        const asked = Date.now();
        const job = await user.ended(id);
        expect(Date.now() - asked).toBeLessThan(5000);
        expect(job).toMatchObject({ state: 'cancelled', cancelReason: one.reason, problem: null });
        expect(job.cancelRequestedAt).not.toBeNull();
        expect(ended).toBe(6);
        expect(await objectsOf(id)).toEqual(['1.txt', '2.txt']);
        expect(job.progress.stages.map(({ state, done }) => [state, done])).toEqual([
          ['cancelled', 2],
          ['cancelled', 2],
        ]);
        await until(async () => (await handle.describe()).status.name === 'CANCELLED');

        // And the job can be taken up again: what was done is not done again.
        play(name, 12);
        expect((await user.post(`/v1/jobs/${id}/resume`)).status).toBe(202);
        expect(await user.ended(id)).toMatchObject({ state: 'succeeded', run: 2, cancelReason: null });
        expect(timesWorked(name)).toMatchObject({ 1: 1, 2: 1, 3: 2, 5: 2, 7: 1, 9: 2, 12: 1 });
      },
    );
  });

  test('a cancel that was answered holds, also where the engine hears of it when the job is about to be done', async () => {
    const publish = async (jobId: string): Promise<void> => {
      await requestCancel(house.records.db, jobId, 'enough');
    };
    const { id, user } = await submitPlay(house, 'cancel-late', 3, { publish });
    // Written right before the end.
    await until(async () => (await objectsOf(id)).includes('manifest.json'));
    await user.post(`/v1/jobs/${id}/cancel`, { reason: 'enough' });
    expect(await user.ended(id)).toMatchObject({ state: 'cancelled', cancelReason: 'enough' });
    expect(await objectsOf(id)).toEqual(['1.txt', '2.txt', '3.txt']);

    play('cancel-late', 3);
    expect((await user.post(`/v1/jobs/${id}/resume`)).status).toBe(202);
    expect(await user.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
    expect(timesWorked('cancel-late')).toEqual({ 1: 1, 2: 1, 3: 1 });
  });

  describe('pages by time', () => {
    /** The pages of a job's run, `[from, to]`, in the order in which they were asked for. */
    async function pagesAsked(id: string): Promise<[number, number][]> {
      const { events } = await house.temporal.workflow.getHandle(id).fetchHistory();
      return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes, userMetadata }) => {
        if (!activityTaskScheduledEventAttributes) return [];
        const summary = String(JSON.parse(Buffer.from(userMetadata!.summary!.data!).toString()));
        const [, from, to] = /^count (\d+)–(\d+)$/.exec(summary) ?? [];
        return from === undefined ? [] : [[Number(from), Number(to)] satisfies [number, number]];
      });
    }
    const sizeOf = ([from, to]: [number, number]): number => to - from + 1;

    test('follow the time that items take: few in one after long ones, many after short ones', async () => {
      const { id, user } = await dispatchPlay(house, 'tally-by-time', 'by-time', 400, {
        // Five times as long while a slot is free: the other items of the page are through by then, also on a busy machine.
        budgetMs: 250,
        async item(text) {
          if (/:[12]$/.test(text)) await sleep(1500);
        },
      });
      expect(await user.ended(id)).toMatchObject({ state: 'succeeded' });
      const pages = await pagesAsked(id);
      // Two long items end the first page; the second one was found before anybody knew.
      expect(pages.slice(0, 3)).toEqual([
        [1, 24],
        [3, 24],
        [25, 48],
      ]);
      expect(sizeOf(pages[3]!)).toBeLessThan(24);
      expect(Math.max(...pages.map(sizeOf))).toBeGreaterThan(24);
      expect(Object.values(timesWorked('by-time'))).toEqual(Array.from({ length: 400 }, () => 1));
    });

    test('of what is done already are large, so that a resume comes to few', async () => {
      const broken = async (): Promise<never> => {
        throw new ProblemError('unknown_model', 'There is no such model.');
      };
      const { id, user } = await dispatchPlay(house, 'tally-by-time', 'resumed', 600, { publish: broken });
      expect(await user.ended(id)).toMatchObject({ state: 'failed' });
      play('resumed', 600);
      expect((await user.post(`/v1/jobs/${id}/resume`)).status).toBe(202);
      expect(await user.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
      // By pages of the first size there would be 25.
      expect((await pagesAsked(id)).length).toBeLessThan(18);
      expect(Object.values(timesWorked('resumed'))).toEqual(Array.from({ length: 600 }, () => 1));
    });
  });

  describe('a failure', () => {
    test('of a page that no retry helps fails the job by its code; a resume keeps the finished items', async () => {
      const { id, user } = await submitPlay(house, 'changed', 12, {
        async page(from) {
          if (from === 9) throw new ProblemError('unknown_model', 'There is no such model.');
        },
      });
      const job = await user.ended(id);
      expect(job).toMatchObject({ state: 'failed', problem: { code: 'unknown_model', fault: 'yours' } });
      await until(
        async () => (await house.temporal.workflow.getHandle(id).describe()).status.name === 'FAILED',
      );
      const done = Object.keys(timesWorked('changed'));
      expect(done.length).toBeGreaterThan(0);
      expect(done.length).toBeLessThanOrEqual(8);

      play('changed', 12);
      expect((await user.post(`/v1/jobs/${id}/resume`)).status).toBe(202);
      expect(await user.ended(id)).toMatchObject({ state: 'succeeded', run: 2, problem: null });
      expect(timesWorked('changed')).toEqual(
        Object.fromEntries(Array.from({ length: 12 }, (_, i) => [i + 1, 1])),
      );
      expect((await objectsOf(id)).length).toBe(13);
    });

    test('of items by errors of their own: tried as often as is set, then failed by name, while the others go on', async () => {
      const tried = new Map<string, number>();
      const { id, user } = await submitPlay(house, 'own-errors', 6, {
        async item(text) {
          const times = (tried.get(text) ?? 0) + 1;
          tried.set(text, times);
          if (text.endsWith(':2')) throw new Error('nobody foresaw this');
          if (text.endsWith(':3')) throw new ProblemError('truncated_image', 'It ends early.');
          if (text.endsWith(':5') && times < 3) throw new Error('this time not');
        },
      });
      const job = await user.ended(id);
      expect(job).toMatchObject({ state: 'succeeded_with_warnings', warnings: 2, problem: null });
      expect(job.progress.stages.map(({ done, failed }) => [done, failed])).toEqual([
        [6, 2],
        [6, 2],
      ]);
      expect(await problemsOf(id)).toEqual([
        { key: '1', state: 'succeeded', attempt: 1, code: null },
        { key: '2', state: 'failed', attempt: house.config.items.attempts, code: 'internal' },
        { key: '3', state: 'failed', attempt: 1, code: 'truncated_image' },
        { key: '4', state: 'succeeded', attempt: 1, code: null },
        { key: '5', state: 'succeeded', attempt: 3, code: null },
        { key: '6', state: 'succeeded', attempt: 1, code: null },
      ]);
      const items = (await (await user.call(`/v1/jobs/${id}/items?state=failed`)).json()) as {
        items: { key: string; problem: { detail: string } }[];
      };
      expect(items.items.map(({ key, problem }) => [key, problem.detail])).toEqual([
        ['2', 'nobody foresaw this'],
        ['3', 'It ends early.'],
      ]);
    });

    test('of all items is a failure of the job; of the only one, by its own code', async () => {
      const item = async (): Promise<never> => {
        throw new ProblemError('truncated_image', 'It ends early.');
      };
      const all = await submitPlay(house, 'all-fail', 3, { item });
      const one = await submitPlay(house, 'one-fails', 1, { item });
      expect(await all.user.ended(all.id)).toMatchObject({
        state: 'failed',
        problem: { code: 'no_item_succeeded' },
        progress: {
          stages: [
            { done: 3, failed: 3 },
            { done: 3, failed: 3 },
          ],
        },
      });
      expect(await one.user.ended(one.id)).toMatchObject({
        state: 'failed',
        problem: { code: 'truncated_image' },
      });
    });

    test('that nobody foresaw is tried three times, and an outage until it is over', async () => {
      let tries = 0;
      const broken = await submitPlay(house, 'broken', 1, {
        async page() {
          tries++;
          throw new Error('a mistake');
        },
      });
      expect(await broken.user.ended(broken.id)).toMatchObject({
        state: 'failed',
        problem: { code: 'internal' },
      });
      expect(tries).toBe(3);

      let outages = 0;
      const away = await submitPlay(house, 'away', 1, {
        async item() {
          if (++outages <= 3) throw new ProblemError('storage_unavailable', 'It does not answer.');
        },
      });
      expect(await away.user.ended(away.id)).toMatchObject({ state: 'succeeded', warnings: 0 });
    });
  });

  describe('the end that the row has', () => {
    const closed = async (id: string): Promise<string> => {
      const handle = house.temporal.workflow.getHandle(id);
      await handle.result().catch(() => {});
      return (await handle.describe()).status.name;
    };
    const die = async (): Promise<never> => {
      throw new Error('the process dies');
    };

    test('is the end of the run when the worker dies after it has written it', async () => {
      let attempts = 0;
      const published = async (): Promise<void> => {
        attempts++;
        await die();
      };
      const { id, user } = await submitPlay(house, 'dies-after-the-end', 2, { published });
      expect(await user.ended(id)).toMatchObject({ state: 'succeeded', problem: null });
      expect(await closed(id)).toBe('COMPLETED');
      expect(await house.temporal.workflow.getHandle(id).result()).toEqual({ state: 'succeeded' });
      expect(attempts).toBe(1);
      expect(await user.job(id)).toMatchObject({ state: 'succeeded', problem: null });
    });

    test('is the end of the run when it was cancelled before the engine was known to have it', async () => {
      const publish = async (jobId: string): Promise<void> => {
        await finishJob(house.records.db, { jobId, run: 1, state: 'cancelled' });
        await die();
      };
      const { id, user } = await submitPlay(house, 'cancelled-in-the-row', 2, { publish });
      // First the row: right after the submit there may be no run yet whose end could be waited for.
      expect(await user.ended(id)).toMatchObject({ state: 'cancelled' });
      expect(await closed(id)).toBe('CANCELLED');
    });

    test('is not success while an item has none: it is worked on again', async () => {
      let published = 0;
      const publish = async (jobId: string): Promise<void> => {
        if (published++ > 0) return;
        await house.records
          .sql`update job_items set state = 'pending' where job_id = ${jobId} and ordinal = 2`;
        await die();
      };
      const { id, user } = await submitPlay(house, 'unfinished', 3, { publish });
      expect(await user.ended(id)).toMatchObject({ state: 'succeeded', warnings: 0 });
      expect(await closed(id)).toBe('COMPLETED');
      expect(timesWorked('unfinished')).toEqual({ 1: 1, 2: 2, 3: 1 });
    });
  });

  describe('objects that the store has lost before the job ends', () => {
    test('are made again, those alone', async () => {
      let rounds = 0;
      const publish = async (jobId: string): Promise<void> => {
        if (++rounds > 1) return;
        const home = `s3://${house.storage.bucket}/tallies/${jobId}/`;
        await house.storage.remove([`${home}2.txt`], alone);
        await house.storage.putBytes(`${home}5.txt`, Buffer.from('of another size'), {
          contentType: 'text/plain',
        });
      };
      const { id, user } = await submitPlay(house, 'lost', 6, { publish });
      expect(await user.ended(id)).toMatchObject({ state: 'succeeded', run: 1 });
      expect(rounds).toBe(2);
      expect(timesWorked('lost')).toEqual({ 1: 1, 2: 2, 3: 1, 4: 1, 5: 2, 6: 1 });
      const text = await house.storage.getBytes(`tallies/${id}/5.txt`, { maxBytes: 100 });
      expect(String(text)).toBe('lost:5');
      expect(await objectsOf(id)).toEqual([
        '1.txt',
        '2.txt',
        '3.txt',
        '4.txt',
        '5.txt',
        '6.txt',
        'manifest.json',
      ]);
    });

    test('are not made again for ever', async () => {
      let rounds = 0;
      const publish = async (jobId: string): Promise<void> => {
        rounds++;
        await house.storage.remove([`tallies/${jobId}/1.txt`], alone);
      };
      const { id, user } = await submitPlay(house, 'lost-again', 2, { publish });
      expect(await user.ended(id)).toMatchObject({ state: 'failed', problem: { code: 'internal' } });
      expect(rounds).toBe(4);
    });
  });

  test('a page without any time left still gets on, an item a turn', async () => {
    const { id, user } = await submitPlay(house, 'hurried', 6, { budgetMs: 0 });
    expect(await user.ended(id)).toMatchObject({ state: 'succeeded' });
    expect(timesWorked('hurried')).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1 });
    const { raw } = await house.temporal.workflow.getHandle(id).describe();
    // Six turns and the end, three events each and some for the run's own.
    expect(Number(raw.workflowExecutionInfo?.historyLength)).toBeGreaterThan(7 * 3);
  });

  test('operators find a run by kind, owner and state, and see what it is', async () => {
    const good = await submitPlay(house, 'finder', 2);
    await good.user.ended(good.id);
    const bad = await good.user.post('/v1/tallies', {
      texts: play('finder-bad', 1, {
        item: () => Promise.reject(new ProblemError('empty_file', 'Nothing.')),
      }),
    });
    const { id } = (await bad.json()) as { id: string };
    await good.user.ended(id);
    const found = async (state: string): Promise<string[]> => {
      const ids: string[] = [];
      const query = `JobKind = "tally" AND JobOwner = "finder" AND JobState = "${state}"`;
      for await (const run of house.temporal.workflow.list({ query })) ids.push(run.workflowId);
      return ids;
    };
    await expect.poll(() => found('succeeded'), { timeout: 60_000 }).toEqual([good.id]);
    await expect.poll(() => found('failed'), { timeout: 60_000 }).toEqual([id]);
    expect(await found('running')).toEqual([]);
    const description = await house.temporal.workflow.getHandle(good.id).describe();
    expect(await description.staticSummary()).toBe('Letter tally · 2 items · finder');
    expect(description.priority).toMatchObject({ priorityKey: 3, fairnessKey: 'finder' });
  });
});
