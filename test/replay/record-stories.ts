/**
 * Records the histories of the tests' own stories, which replay.test.ts replays beside Darkroom's, anew:
 * `node test/replay/record-stories.ts [continued] [replaced]`; both without a name. When to do it: record.ts.
 */
import type { Page } from '@darkroom/contract';
import { activityInfo } from '@temporalio/activity';
import { reportOf, startFakes } from '../workflows/fakes.ts';
import { writeHistory } from './histories.ts';

const stories = { continued: recordContinued, replaced: recordReplaced };
const wanted = process.argv.slice(2);
const fakes = await startFakes(['limit.historyCount.suggestContinueAsNew=60']);
const own = await fakes.serve('light@one');
try {
  for (const [name, record] of Object.entries(stories))
    if (wanted.length === 0 || wanted.includes(name)) await record();
} finally {
  await own.stop();
  await fakes.stop();
}

/** Groups of two pages each, half of them at a worker that has them open, one at a worker that is gone; the run continues as new. */
async function recordContinued(): Promise<void> {
  const pages: Page[] = Array.from({ length: 12 }, (_, nth) => ({
    from: 1 + 10 * nth,
    to: 11 + 10 * nth,
    group: `tile-${nth + 1}`,
  }));
  const run = await fakes.start('grouped', 120, {
    findGroups: async (_, from) => ({ pages: pages.filter((page) => page.from >= from), next: null }),
    work: async (_, { from, to, group }) => ({
      ...reportOf({ from, to }, to - from > 5 ? from + 5 : null),
      ...(group === 'tile-2' ? { openAt: 'light@gone' } : { openAt: 'light@one' }),
    }),
  });
  if ((await run.closed()) !== 'COMPLETED') throw new Error('The run has not come to its end.');
  const { raw } = await run.handle.describe();
  const names = ['grouped-continues-as-new', 'grouped-goes-on'];
  for (let runId = raw.workflowExecutionInfo?.firstRunId; runId; ) {
    const history = await fakes.temporal.client.workflow.getHandle(run.id, runId).fetchHistory();
    const name = names.shift();
    if (name === undefined) break;
    await writeHistory(name, history);
    console.log(`${name}: ${history.events?.length} events`);
    runId = history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
  }
}

/** A group whose rest fails at the worker that has it open, so that another call takes the place of that one. */
async function recordReplaced(): Promise<void> {
  const run = await fakes.start('grouped', 10, {
    findGroups: async () => ({ pages: [{ from: 1, to: 11, group: 'tile-1' }], next: null }),
    work: async (_, { from, to }) => {
      if (activityInfo().taskQueue === 'light@one') throw new Error('The store is away.');
      return { ...reportOf({ from, to }, from === 1 ? 6 : null), openAt: 'light@one' };
    },
  });
  if ((await run.closed()) !== 'COMPLETED') throw new Error('The run has not come to its end.');
  const history = await run.handle.fetchHistory();
  await writeHistory('grouped-replaces', history);
  console.log(`grouped-replaces: ${history.events?.length} events`);
}
