import { setTimeout as sleep } from 'node:timers/promises';
import { createDispatch, type UnitState } from '@darkroom/dispatch';
import { kinds } from '@darkroom/kinds';
import { createLogger, loadConfig, startTelemetry } from '@darkroom/platform';
import { migrate, openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { Client, Connection, type WorkflowFailedError } from '@temporalio/client';
import { expect, onTestFinished, test } from 'vitest';
import { run, type TestProcess } from '../harness/process.ts';
import { startTestStack } from '../harness/stack.ts';

/** A unit that kills whoever works at it, as a standalone activity and as the workflow that stands in for one. */

const attempts = 3;

test.each(['auto', 'never'])(
  'a unit that kills its workers has its attempts and no more (TEMPORAL_STANDALONE_ACTIVITIES=%s)',
  async (setting) => {
    const stack = await startTestStack('units');
    const env = stack.env({ TEMPORAL_STANDALONE_ACTIVITIES: setting });
    const config = loadConfig(env);
    await migrate(config.database.url);
    const records = openRecords(config.database);
    const storage = createStorage(config.s3);
    const logger = createLogger({ service: 'test', level: 'fatal' });
    const telemetry = startTelemetry({ service: 'test' });
    const dispatch = createDispatch({ records, storage, config, logger, telemetry, kinds });
    const connection = Connection.lazy({ address: config.temporal.address });

    let worker: TestProcess | undefined;
    let stopping = false;
    const deaths: string[] = [];
    const working = (async () => {
      while (!stopping) {
        worker = run('test/faults/dying-worker.ts', env);
        if ((await worker.ended) !== 'SIGKILL') continue;
        deaths.push(worker.lines.filter((line) => line.startsWith('dies of ')).join());
      }
    })();
    onTestFinished(async () => {
      stopping = true;
      worker?.kill('SIGTERM');
      await working;
      await dispatch.close();
      await connection.close();
      await records.close();
      storage.close();
      await telemetry.shutdown();
      await stack.close();
    });

    await dispatch.units.start({
      id: 'poison',
      activity: 'die',
      queue: 'dying',
      args: ['poison'],
      priority: { priorityKey: 2, fairnessKey: 'ada' },
      attempts,
      attemptSeconds: 4,
    });
    let state: UnitState = 'running';
    while (state === 'running') {
      await sleep(200);
      state = await dispatch.units.describe('poison');
    }
    expect(state).toBe('failed');
    expect(deaths).toEqual(Array.from({ length: attempts }, (_, i) => `dies of poison, attempt ${i + 1}`));
    if (setting === 'auto') return;
    const handle = new Client({ connection, namespace: config.temporal.namespace }).workflow.getHandle(
      'unit/poison',
    );
    const { cause } = await handle.result().catch((error: unknown) => error as WorkflowFailedError);
    expect(cause).toMatchObject({
      type: 'problem:poisonous_item',
      message: 'All 3 attempts at poison came to no end.',
    });
  },
  300_000,
);
