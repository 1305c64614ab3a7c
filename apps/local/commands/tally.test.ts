import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isPassed, packagesWithTests, reportPath, tallyReport, tallyRun } from './tally.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'darkroom-tally-'));
  await put(
    'package.json',
    JSON.stringify({ workspaces: ['activities/*', 'workflows', 'workflows/contract'] }),
  );
  await put('activities/one/package.json', '{}');
  await put('activities/one/a.test.ts', '');
  await put('activities/two/package.json', '{}');
  await put('activities/two/plain.ts', '');
  await put('workflows/package.json', '{}');
  await put('workflows/contract/package.json', '{}');
  await put('workflows/contract/b.test.ts', '');
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

const report = (passed: number, failed: number, testResults: unknown[] = []) =>
  JSON.stringify({ numPassedTests: passed, numFailedTests: failed, testResults });
const task = (taskId: string, directory: string, exitCode: number | undefined) => ({
  taskId,
  directory,
  execution: exitCode === undefined ? null : { exitCode },
});

it('finds the packages with tests, a nested one once', () => {
  expect(packagesWithTests(root)).toEqual(['activities/one', 'workflows/contract']);
});

describe('tallyReport', () => {
  it('counts tests', () => {
    expect(tallyReport('x', report(3, 1), 1)).toMatchObject({ passed: 3, failed: 1 });
  });

  it('names a test that failed, and says why', () => {
    const test = { fullName: 'a law holds', status: 'failed', failureMessages: ['expected 1 to be 2'] };
    const file = { name: 'c.test.ts', status: 'failed', assertionResults: [test] };
    expect(tallyReport('x', report(3, 1, [file]), 1).remarks).toEqual([
      'c.test.ts: a law holds\nexpected 1 to be 2',
    ]);
  });

  it('names what was left out, a group once', () => {
    const test = { fullName: 'on moto (needs Python) a law', status: 'skipped', failureMessages: [] };
    const grouped = { ...test, ancestorTitles: ['on moto (needs Python)', 'laws'] };
    const file = { name: 'd.test.ts', status: 'passed', assertionResults: [grouped, grouped, test] };
    expect(tallyReport('x', report(3, 0, [file]), 0).leftOut).toEqual([
      'd.test.ts: on moto (needs Python) (2)',
      'd.test.ts: on moto (needs Python) a law (1)',
    ]);
  });

  it('passes with what was left out, except where nothing may be', () => {
    const test = { fullName: 'a law', status: 'todo', failureMessages: [] };
    const tally = tallyReport(
      'x',
      report(3, 0, [{ name: 'd', status: 'passed', assertionResults: [test] }]),
      0,
    );
    expect([isPassed(tally, true), isPassed(tally, false)]).toEqual([true, false]);
    expect(isPassed(tallyReport('x', report(3, 0), 0), false)).toBe(true);
    expect(isPassed(tallyReport('x', report(3, 1), 1), true)).toBe(false);
  });

  it('counts a file that could not be loaded', () => {
    const broken = { name: 'c.test.ts', status: 'failed', assertionResults: [] };
    expect(tallyReport('x', report(3, 0, [broken]), 1)).toMatchObject({ passed: 3, failed: 1 });
  });

  it('counts a file whose set-up failed, though its tests are but skipped', () => {
    const test = { fullName: 'a law holds', status: 'skipped', failureMessages: [] };
    const file = { name: 'e.test.ts', status: 'failed', message: 'no server', assertionResults: [test] };
    const tally = tallyReport('x', report(3, 0, [file]), 1);
    expect(tally).toMatchObject({ passed: 3, failed: 1, skipped: 0, leftOut: [] });
    expect(tally.remarks).toEqual(['e.test.ts could not be run: no server']);
  });

  it('counts an error outside of a test, and a run without tests', () => {
    expect(tallyReport('x', report(3, 0), 1)).toMatchObject({ passed: 3, failed: 1 });
    expect(tallyReport('x', report(0, 0), 0)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe('tallyRun', () => {
  const tasks = [task('//#lint', '', 0), task('//#types', '', 1), task('@x/one#test', 'activities/one', 0)];

  it('counts checks, tests, and what did not run', async () => {
    await put(join('activities/one', reportPath), report(5, 0));
    const tally = tallyRun(root, JSON.stringify({ tasks }), ['lint', 'types', 'arrows']);
    // Passed: lint and five tests. Failed: types, arrows (did not run), workflows/contract (did not run).
    expect(tally).toMatchObject({ passed: 6, failed: 3 });
    expect(tally.remarks).toHaveLength(3);
  });

  it('takes a missing report for a failure', () => {
    expect(tallyRun(root, JSON.stringify({ tasks }), ['lint'])).toMatchObject({ passed: 1, failed: 2 });
  });
});
