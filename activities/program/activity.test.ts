import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FrameDeps, jobActivity } from '@darkroom/frame';
import { depsOver } from '@darkroom/frame/testing.ts';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRecords, submitted, type TestRecords } from '../records/testing.ts';
import { itemProgram } from './activity.ts';
import { clearPrograms } from './run.ts';

/** Programs of the items of a page, in a real attempt. */

let root: string;
let house: TestRecords;
let deps: FrameDeps;
beforeAll(async () => {
  [root, house] = await Promise.all([mkdtemp(join(tmpdir(), 'programs ')), startRecords()]);
  deps = depsOver(house, { env: { PROGRAM_DIR: root } });
});
afterAll(async () => {
  await clearPrograms(root);
  await Promise.all([rm(root, { recursive: true, force: true }), house?.close()]);
});

test('two items side by side that are a function of the same have a program each', async () => {
  const items = [{ ordinal: 1 }, { ordinal: 2 }];
  const activity = jobActivity(deps, (attempt) =>
    Promise.all(
      items.map((item) =>
        itemProgram(attempt, item, {
          command: '/bin/sh',
          args: ['-c', 'echo $$ > pid'],
          digest: 'd'.repeat(64),
          limits: { seconds: 60, stallSeconds: 60, memoryBytes: 1e9, diskBytes: 1e6 },
          collect: (work) => readFile(join(work, 'pid'), 'utf8'),
        }),
      ),
    ),
  );
  const jobId = await submitted(deps.records);
  const run = (): Promise<string[]> => activity({ jobId, run: 1, stage: 'work' });
  const pids = await new MockActivityEnvironment().run<[], string[], typeof run>(run);
  expect(new Set(pids).size).toBe(2);
}, 60_000);
