import { fileURLToPath } from 'node:url';
import type { JobStart } from '@darkroom/contract';
import { createLogger, startTelemetry, type Telemetry } from '@darkroom/platform';
import { bundleWorkflows, tracing } from '@darkroom/worker/bundle.ts';
import * as workflows from '@darkroom/workflows';
import { Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RecordedHistory, readHistories, startOf } from './histories.ts';

/** Runs that were recorded go through today's workflow code the way they went: runs under way survive an upgrade. */

const histories = await readHistories();

let telemetry: Telemetry;
/** Darkroom's workflows as workers have them where spans are collected, and where they are not. */
let bundles: WorkflowBundleWithSourceMap[];
/** The tests' own stories, for what no kind does yet. */
let stories: WorkflowBundleWithSourceMap;
const logger = createLogger({ service: 'test', level: 'fatal' });
beforeAll(async () => {
  Runtime.install({ logger: quiet });
  telemetry = startTelemetry({ service: 'test' });
  bundles = await Promise.all(
    [true, false].map((recording) => bundleWorkflows({ ...telemetry, recording }, logger)),
  );
  stories = await bundleOf('../workflows/stories.ts');
}, 180_000);
afterAll(async () => {
  await telemetry?.shutdown();
});

const bundleOf = (file: string): Promise<WorkflowBundleWithSourceMap> =>
  bundleWorkflows(telemetry, logger, fileURLToPath(new URL(file, import.meta.url)));

const isDarkrooms = (history: RecordedHistory): boolean => startOf(history).workflow in workflows;

const silent = (): void => {};
const quiet = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };

const replay = (workflowBundle: WorkflowBundleWithSourceMap, history: RecordedHistory): Promise<void> =>
  Worker.runReplayHistory({ workflowBundle, plugins: [tracing(telemetry)] }, history);

test.each([...histories])('%s', async (_, history) => {
  for (const bundle of isDarkrooms(history) ? bundles : [stories]) await replay(bundle, history);
});

test('every workflow has a history, and every end of a job', () => {
  const recorded = [...histories.values()].filter(isDarkrooms);
  const names = new Set(recorded.map((history) => startOf(history).workflow));
  expect([...names].sort()).toEqual(Object.keys(workflows).sort());
  const of = (kind: string) => recorded.filter((history) => startOf(history).workflow === kind);
  const startsOf = (kind: string) => of(kind).map((history) => startOf(history).input as JobStart);
  for (const kind of ['cutouts', 'photo', 'predictionBatch', 'video']) {
    expect(new Set(of(kind).map((history) => history.events.at(-1)?.eventType))).toEqual(
      new Set(['COMPLETED', 'FAILED', 'CANCELED'].map((end) => `EVENT_TYPE_WORKFLOW_EXECUTION_${end}`)),
    );
    expect(startsOf(kind).some(({ run }) => run > 1)).toBe(true);
  }
  expect(startsOf('photo').some(({ items }) => items >= 100)).toBe(true);
});

test('a story that was changed without patched() is noticed', async () => {
  const changed = await bundleOf('changed.ts');
  await expect(replay(changed, histories.get('photo-succeeded')!)).rejects.toThrow(DeterminismViolationError);
});
