import { setTimeout as sleep } from 'node:timers/promises';
import type { Unit, UnitState } from '@darkroom/dispatch';
import { kinds } from '@darkroom/kinds';
import { withSpan } from '@darkroom/platform';
import type { QueueDefinition } from '@darkroom/worker/workers.ts';
import { trace } from '@opentelemetry/api';
import { cancellationSignal } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InProcess, startInProcess } from '../harness/in-process.ts';

/** Units of one activity, as standalone activities and as the workflows that stand in for them: dispatch's users see no difference. */

const attempts = new Map<string, number>();
const traces = new Map<string, string | undefined>();

/** Activities that are nobody's but the test's. */
const activities = {
  async add(id: string, a: number, b: number): Promise<number> {
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
    traces.set(id, trace.getActiveSpan()?.spanContext().traceId);
    return a + b;
  },
  async fail(id: string): Promise<never> {
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
    throw new Error('not this time');
  },
  async refuse(id: string): Promise<never> {
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
    throw ApplicationFailure.nonRetryable('never');
  },
  async rest(id: string): Promise<void> {
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
    await sleep(60_000, undefined, { signal: cancellationSignal() }).catch(() => {
      throw cancellationSignal().reason;
    });
  },
};

const queues: Record<string, QueueDefinition> = {
  adding: { activities: async () => activities, slots: () => 4 },
};

let count = 0;

describe.each(['auto', 'never'] as const)('TEMPORAL_STANDALONE_ACTIVITIES=%s', (setting) => {
  let house: InProcess;
  beforeAll(async () => {
    house = await startInProcess('units', {
      kinds,
      queues,
      env: { TEMPORAL_STANDALONE_ACTIVITIES: setting },
    });
    await house.work();
  }, 300_000);
  afterAll(async () => {
    await house?.close();
  });

  const unit = (activity: string, ...args: unknown[]): Unit => {
    const id = `${setting}-${activity}-${++count}`;
    return {
      id,
      activity,
      queue: 'adding',
      args: [id, ...args],
      priority: { priorityKey: 2, fairnessKey: 'ada' },
      attempts: 3,
      attemptSeconds: 3,
      summary: `${activity} of ada`,
    };
  };

  const ended = async (id: string): Promise<UnitState> => {
    for (let tries = 0; tries < 3000; tries++) {
      const state = await house.dispatch.units.describe(id);
      if (state !== 'running') return state;
      await sleep(50);
    }
    throw new Error(`${id} has not ended.`);
  };

  test('is not lost with a poll of a worker that stops: the server ends it', async () => {
    const { workflowService } = house.temporal.connection;
    const { namespaceInfo } = await workflowService.describeNamespace({ namespace: 'default' });
    expect(namespaceInfo?.capabilities?.workerPollCompleteOnShutdown).toBe(true);
  });

  test('runs once, however often it is started, also after its end', async () => {
    const adding = unit('add', 1, 2);
    expect(await house.dispatch.units.describe(adding.id)).toBe('absent');
    await Promise.all([house.dispatch.units.start(adding), house.dispatch.units.start(adding)]);
    expect(await ended(adding.id)).toBe('succeeded');
    await house.dispatch.units.start(adding);
    expect(await ended(adding.id)).toBe('succeeded');
    expect(attempts.get(adding.id)).toBe(1);
    // Nothing of a stand-in is left in the records.
    expect(await house.records.sql`select 1 from unit_attempts where id = ${adding.id}`).toEqual([]);
  });

  test('is asked for with its priority and its owner', async () => {
    const adding = unit('add', 1, 2);
    await house.dispatch.units.start(adding);
    const { activity, workflow } = house.temporal;
    const { priority } =
      setting === 'auto'
        ? await activity.getHandle(adding.id).describe()
        : await workflow.getHandle(`unit/${adding.id}`).describe();
    expect(priority).toMatchObject(adding.priority);
    await ended(adding.id);
  });

  test('belongs to the trace that started it', async () => {
    const adding = unit('add', 1, 2);
    const started = await withSpan('test', {}, async (span) => {
      await house.dispatch.units.start(adding);
      return span.spanContext().traceId;
    });
    await ended(adding.id);
    expect(traces.get(adding.id)).toBe(started);
  });

  test('has its attempts and no more', async () => {
    const failing = unit('fail');
    await house.dispatch.units.start(failing);
    expect(await ended(failing.id)).toBe('failed');
    expect(attempts.get(failing.id)).toBe(3);
    const refusing = unit('refuse');
    await house.dispatch.units.start(refusing);
    expect(await ended(refusing.id)).toBe('failed');
    expect(attempts.get(refusing.id)).toBe(1);
  });

  test('ends when it is told to; one that is not there is nothing to end', async () => {
    const resting = { ...unit('rest'), attemptSeconds: 30 };
    await house.dispatch.units.start(resting);
    while (attempts.get(resting.id) === undefined) await sleep(20);
    await house.dispatch.units.cancel(resting.id, 'enough');
    expect(await ended(resting.id)).toBe('cancelled');
    await house.dispatch.units.cancel('nobody', 'enough');
  });
});
