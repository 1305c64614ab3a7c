/** The two ways to work for hours. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Page, ProblemError } from '@darkroom/contract';
import { type FrameDeps, jobActivity, publishJob, workPage, workStage } from '@darkroom/frame';
import { itemProgram, workProgram } from '@darkroom/program';
import type { ItemRow } from '@darkroom/records';
import { z } from 'zod';
import { type SurveyOptions, scansOptions, surveyOptions } from './contract.ts';

export type SurveyActivities = ReturnType<typeof surveyActivities>;

const state = z.object({ step: z.int(), sum: z.int() });
const refined = z.object({ sum: z.int(), tableUri: z.string() });
const simulated = z.object({ lines: z.int(), pid: z.int() });

export function surveyActivities(deps: FrameDeps) {
  return {
    /** Sums up steps, in this process: what is summed up so far is its checkpoint. Leaves a table that nobody needs in the end. */
    refine: jobActivity(
      deps,
      async (attempt): Promise<number> => {
        const { steps, stepMs, journal, hangsAt, gates } = surveyOptions.parse(attempt.job.input);
        const { sum } = await workStage(attempt, {
          digest: () => digestOf('refine', steps),
          result: refined,
          checkpoint: state,
          objects: ({ tableUri }) => [tableUri],
          work: async ({ checkpoint, save, signal }) => {
            let { step, sum } = checkpoint ?? { step: 0, sum: 0 };
            while (step < steps) {
              const gate = gates.find(({ at }) => at === step);
              while (gate !== undefined && !existsSync(gate.file)) {
                await sleep(50, undefined, { signal });
                attempt.progress.moved();
              }
              if (checkpoint === undefined && step === hangsAt) await new Promise(() => {});
              await sleep(stepMs, undefined, { signal });
              step++;
              sum += step;
              if (journal !== undefined) await appendFile(journal, `${step}\n`);
              save({ step, sum });
              attempt.progress.counts('refine', step, steps);
            }
            const key = `surveys/${attempt.job.id}/table.json`;
            const table = Buffer.from(JSON.stringify({ sum }));
            const { uri } = await deps.storage.putBytes(key, table, {
              contentType: 'application/json',
              signal,
            });
            return { sum, tableUri: uri };
          },
        });
        return sum;
      },
      { longestStillSeconds: 10 },
    ),

    /** Runs a program that says each step; nothing is left of it but what it has written. */
    simulate: jobActivity(deps, async (attempt): Promise<z.infer<typeof simulated>> => {
      const options = surveyOptions.parse(attempt.job.input);
      const { steps } = options;
      const digest = digestOf('simulate', steps);
      return workStage(attempt, {
        digest: () => digest,
        result: simulated,
        work: () =>
          workProgram(attempt, {
            ...simulation(options),
            digest,
            logged: false,
            progress: (line) => ({ done: Number(line), total: steps }),
            collect: whatItLeft,
          }),
      });
    }),

    /** An item is a program of its own. */
    scan: jobActivity(deps, async (attempt, page: Page) => {
      const options = scansOptions.parse(attempt.job.input);
      const digest = ({ key }: ItemRow) => digestOf('scan', key, options.steps);
      return workPage(attempt, page, {
        stage: 'scan',
        lastStage: 'publish',
        concurrency: 2,
        inputDigest: digest,
        work: async (item) => {
          const left = await itemProgram(attempt, item, {
            ...simulation(options),
            digest: digest(item),
            logged: false,
            collect: whatItLeft,
          });
          const path = `${item.key}.json`;
          const body = Buffer.from(JSON.stringify(left));
          const key = `scans/${item.jobId}/${path}`;
          return { objects: [{ key, path, body, contentType: 'application/json' }] };
        },
      });
    }),

    publishScans: jobActivity(deps, async (attempt) =>
      publishJob(attempt, { stage: 'scan', objects: [], result: {} }),
    ),

    publishSurvey: jobActivity(
      deps,
      async (attempt, sum: number, { lines, pid }: { lines: number; pid: number }) => {
        const { permit } = surveyOptions.parse(attempt.job.input);
        if (permit !== undefined && !existsSync(permit))
          throw new ProblemError('source_not_granted', `There is no ${permit}.`);
        return publishJob(attempt, { stage: 'refine', objects: [], result: { sum, lines, pid } });
      },
    ),
  };
}

const simulation = ({ steps, stepMs, gates }: Pick<SurveyOptions, 'steps' | 'stepMs' | 'gates'>) => ({
  command: '/bin/sh',
  args: [
    '-c',
    `echo $$ > pid
    for step in $(seq 1 ${steps}); do
      sleep ${stepMs / 1000}; echo $step >> steps; echo $step
      ${gates.map(({ at, file }) => `[ $step -ne ${at} ] || until [ -e '${file}' ]; do sleep 0.05; done`).join('\n')}
    done`,
  ],
  limits: { seconds: 3 * 3600, stallSeconds: 600, memoryBytes: 1e9, diskBytes: 1e8 },
});

const whatItLeft = async (work: string): Promise<z.infer<typeof simulated>> => ({
  lines: (await readFile(join(work, 'steps'), 'utf8')).trim().split('\n').length,
  pid: Number(await readFile(join(work, 'pid'), 'utf8')),
});

const digestOf = (...values: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(values)).digest('hex');
