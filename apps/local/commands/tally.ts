import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

/** Where each package's vitest leaves its report, from the package's folder. */
export const reportPath = join('.turbo', 'vitest.json');

const reportSchema = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().nullish(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          ancestorTitles: z.array(z.string()).nullish(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});
const summarySchema = z.object({
  tasks: z.array(
    z.object({
      taskId: z.string(),
      directory: z.string(),
      execution: z.object({ exitCode: z.int().nullish() }).nullish(),
    }),
  ),
});

/** How many passed and failed, and what is to be said of what is neither. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Of what was skipped: how many tests of which file and group, by name. */
  readonly leftOut: readonly string[];
  /** What went wrong: of each failed test its name and why, and a line for what no test shows. */
  readonly remarks: readonly string[];
}

/** Of nothing. */
export const none: Tally = { passed: 0, failed: 0, skipped: 0, leftOut: [], remarks: [] };
const failure = (remark: string): Tally => ({ ...none, failed: 1, remarks: [remark] });

/** Whether nothing failed; and, where nothing `mayLeaveOut` itself, nothing did. */
export const isPassed = ({ failed, leftOut }: Tally, mayLeaveOut: boolean): boolean =>
  failed === 0 && (mayLeaveOut || leftOut.length === 0);

/** The sum of some tallies. */
export function sum(tallies: readonly Tally[]): Tally {
  return tallies.reduce(
    (all, one) => ({
      passed: all.passed + one.passed,
      failed: all.failed + one.failed,
      skipped: all.skipped + one.skipped,
      leftOut: [...all.leftOut, ...one.leftOut],
      remarks: [...all.remarks, ...one.remarks],
    }),
    none,
  );
}

type FileReport = z.infer<typeof reportSchema>['testResults'][number];

const skippedOf = (file: FileReport) =>
  file.assertionResults.filter((test) => ['skipped', 'pending', 'todo'].includes(test.status));

/** One line for each group of a file's tests that were skipped; a group is the outermost `describe`, whose title says what it needs. */
function leftOutOf(file: FileReport): string[] {
  const groups = Map.groupBy(skippedOf(file), (test) => test.ancestorTitles?.[0] ?? test.fullName);
  return [...groups].map(([group, tests]) => `${file.name}: ${group} (${tests.length})`);
}

/** What one package's vitest report says. `exitCode` of its task: non-zero with no failed test means an error outside of one. */
export function tallyReport(name: string, text: string, exitCode: number): Tally {
  const { numPassedTests, numFailedTests, testResults } = reportSchema.parse(JSON.parse(text));
  // A file that could not be loaded, or whose set-up failed: none of its tests tells so.
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const whole = testResults.filter((file) => !broken.includes(file));
  const counted: Tally = {
    passed: numPassedTests,
    failed: numFailedTests + broken.length,
    skipped: whole.flatMap(skippedOf).length,
    leftOut: whole.flatMap(leftOutOf),
    remarks: [
      ...broken.map((file) => `${file.name} could not be run: ${file.message || 'its lines above say why'}`),
      ...testResults.flatMap((file) =>
        file.assertionResults
          .filter((test) => test.status === 'failed')
          .map((test) => `${file.name}: ${test.fullName}\n${test.failureMessages?.[0] ?? ''}`),
      ),
    ],
  };
  if (numPassedTests + counted.failed === 0) return failure(`${name}: no test was run`);
  if (exitCode !== 0 && counted.failed === 0) {
    return sum([counted, failure(`${name}: its tests ended with exit code ${exitCode}`)]);
  }
  return counted;
}

/**
 * Sums up a run of turbo: each check (lint, types, arrows) is one, each test of each package is one. What should have
 * run and did not counts as failed.
 * @param summary text of the run's summary (`turbo run --summarize`)
 */
export function tallyRun(root: string, summary: string, checks: readonly string[]): Tally {
  const { tasks } = summarySchema.parse(JSON.parse(summary));
  const exitCode = (taskId: string) =>
    tasks.find((task) => task.taskId === taskId)?.execution?.exitCode ?? undefined;
  const ofChecks = checks.map((check) => {
    const code = exitCode(`//#${check}`);
    if (code === 0) return { ...none, passed: 1 };
    return failure(code === undefined ? `${check} did not run` : `${check} failed`);
  });
  const ofPackages = packagesWithTests(root).map((folder) => {
    const task = tasks.find(({ taskId, directory }) => directory === folder && taskId.endsWith('#test'));
    const report = join(root, folder, reportPath);
    if (!task || !existsSync(report)) {
      return failure(`${folder}: its tests did not run to the end, or its package.json has no "test" script`);
    }
    // Paths from the root are what people look for.
    const text = readFileSync(report, 'utf8').replaceAll(`${resolve(root)}/`, '');
    return tallyReport(folder, text, task.execution?.exitCode ?? 1);
  });
  return sum([...ofChecks, ...ofPackages]);
}

/** Removes the reports of earlier runs, so that none is taken for one of this run. */
export function forgetReports(root: string): void {
  for (const folder of workspaces(root)) rmSync(join(root, folder, reportPath), { force: true });
}

/** The workspaces, from the root, that have test files. */
export function packagesWithTests(root: string): string[] {
  const all = workspaces(root);
  return all.filter((folder) => {
    const nested = all
      .filter((other) => other.startsWith(`${folder}/`))
      .map((other) => other.slice(folder.length + 1));
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).some(
      (file) =>
        file.endsWith('.test.ts') &&
        !/(^|\/)(node_modules|\.darkroom)\//.test(file) &&
        !nested.some((other) => file.startsWith(`${other}/`)),
    );
  });
}

function workspaces(root: string): string[] {
  const { workspaces: patterns } = z
    .object({ workspaces: z.array(z.string()) })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const folders = patterns.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern];
    const parent = pattern.slice(0, -2);
    return readdirSync(join(root, parent)).map((name) => `${parent}/${name}`);
  });
  return folders.filter((folder) => existsSync(join(root, folder, 'package.json')));
}
