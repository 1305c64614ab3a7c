/** What gives the core its ledger, storage, heartbeat and cancellation. */
import { createHash } from 'node:crypto';
import type { Page } from '@darkroom/contract';
import { type FrameDeps, jobActivity, publishJob, workPage } from '@darkroom/frame';
import type { ItemRow } from '@darkroom/records';
import { type TallyResult, type TallyText, tallyOptions } from './contract.ts';
import { countLetter } from './core.ts';

export type TallyActivities = ReturnType<typeof tallyActivities>;

export function tallyActivities(deps: FrameDeps) {
  return {
    countLetters: jobActivity(deps, async (attempt, page: Page) => {
      const { letter } = tallyOptions.parse(attempt.job.input);
      return workPage(attempt, page, {
        stage: 'count',
        lastStage: 'publish',
        concurrency: 2,
        budgetMs: 2000,
        // A result is a function of these and nothing else; raise the 1 when the core counts in another way.
        inputDigest: (item) => sha256([1, textOf(item), letter]),
        work: async (item, { reached }) => {
          const result: TallyResult = { letter, count: countLetter(textOf(item), letter) };
          reached('count');
          const path = `${item.ordinal}.json`;
          return {
            objects: [
              {
                key: `tallies/${item.jobId}/${path}`,
                path,
                body: Buffer.from(JSON.stringify(result)),
                contentType: 'application/json',
              },
            ],
          };
        },
      });
    }),

    publishTally: jobActivity(deps, async (attempt) =>
      publishJob(attempt, { stage: 'count', objects: [], result: {} }),
    ),
  };
}

const textOf = (item: ItemRow): string => (item.input as TallyText).text;

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
