/** The toy kind, with activities that act as a test wants: each text names the play it belongs to. */
import { createHash } from 'node:crypto';
import type { Page } from '@darkroom/contract';
import { type FrameDeps, type ItemTools, jobActivity, publishJob, workPage } from '@darkroom/frame';
import { kinds as allKinds } from '@darkroom/kinds';
import type { Storage } from '@darkroom/storage';
import { type QueueDefinition, queueDefinitions } from '@darkroom/worker/workers.ts';
import type { InProcess } from '../harness/in-process.ts';
import type { ApiUser } from '../harness/user.ts';
import { type TallyText, tallyKind } from '../new-kind/contract.ts';

export const kinds = {
  ...allKinds,
  [tallyKind.kind]: tallyKind,
  'tally-by-time': { ...tallyKind, kind: 'tally-by-time', workflow: 'talliesByTime' },
  'tally-by-group': { ...tallyKind, kind: 'tally-by-group', workflow: 'talliesByGroup' },
};

export interface Play {
  /** Works on one text, before its result is published. */
  item?(text: string, tools: ItemTools & { jobId: string; storage: Storage }): Promise<void>;
  /** How long a page may take; what is set for the queue, else 2 s, unless said otherwise. */
  readonly budgetMs?: number;
  /** Before the page that begins at an ordinal is worked on. */
  page?(from: number): Promise<void>;
  /** Before the job is published; `attempt` from 1. */
  publish?(jobId: string, attempt: number): Promise<void>;
  /** After the row has its end, before the engine hears of it. */
  published?(jobId: string, attempt: number): Promise<void>;
}

const plays = new Map<string, Play>();

/** Texts `NAME:1` to `NAME:count` of a play, and what is done with them. */
export function play(name: string, count: number, acts: Play = {}) {
  plays.set(name, acts);
  return Array.from({ length: count }, (_, index) => `${name}:${index + 1}`);
}

/** Texts worked on, in order, over all jobs. */
export const worked: string[] = [];

/** Activities at once, of a worker that is started after it was set. */
export const slots = { tally: 4 };

export const queues: Readonly<Record<string, QueueDefinition>> = {
  ...queueDefinitions,
  tally: { activities: async (deps) => playedActivities(deps), slots: () => slots.tally },
  grouped: { activities: async (deps) => playedActivities(deps), slots: () => 4, keepsGroups: true },
};

function playedActivities(deps: FrameDeps) {
  return {
    countLetters: jobActivity(deps, async (attempt, page: Page) => {
      const { owner } = attempt.job;
      const { budgetMs } = plays.get(owner) ?? {};
      await plays.get(owner)?.page?.(page.from);
      return workPage(attempt, page, {
        stage: 'count',
        lastStage: 'publish',
        concurrency: 2,
        ...(budgetMs !== undefined && { budgetMs }),
        inputDigest: (item) => createHash('sha256').update(JSON.stringify(item.input)).digest('hex'),
        work: async (item, tools) => {
          const { text } = item.input as TallyText;
          worked.push(text);
          await plays.get(text.split(':')[0]!)?.item?.(text, {
            ...tools,
            jobId: item.jobId,
            storage: deps.storage,
          });
          const path = `${item.ordinal}.txt`;
          const key = `tallies/${item.jobId}/${path}`;
          return { objects: [{ key, path, body: Buffer.from(text), contentType: 'text/plain' }] };
        },
      });
    }),
    publishTally: jobActivity(deps, async (attempt) => {
      const acts = plays.get(attempt.job.owner);
      await acts?.publish?.(attempt.job.id, attempt.fence.attempt);
      const end = await publishJob(attempt, { stage: 'count', objects: [], result: {} });
      await acts?.published?.(attempt.job.id, attempt.fence.attempt);
      return end;
    }),
  };
}

/** Submits a play over HTTP as its own owner, who is called as the play is; the job's id. */
export async function submitPlay(
  house: InProcess,
  name: string,
  count: number,
  acts: Play = {},
): Promise<{ id: string; user: ApiUser }> {
  const user = await house.user(name);
  const answer = await user.post('/v1/tallies', { texts: play(name, count, acts) });
  if (answer.status !== 202) throw new Error(await answer.text());
  const { id } = (await answer.json()) as { id: string };
  return { id, user };
}

/** Submits a play as another kind, with more texts than a request may have, and groups. */
export async function dispatchPlay(
  house: InProcess,
  kind: keyof typeof kinds,
  name: string,
  count: number,
  { groupOf, ...acts }: Play & { groupOf?(nth: number): string } = {},
): Promise<{ id: string; user: ApiUser }> {
  const user = await house.user(name);
  const caller = { owner: name, group: null, role: 'user', priority: 3 } as const;
  const { jobId } = await house.dispatch.submit(kind, caller, {
    input: { letter: 'e' },
    fingerprint: name,
    stage: 'count',
    items: play(name, count, acts).map((text, index) => ({
      key: String(index + 1),
      input: { text },
      group: groupOf?.(index + 1),
    })),
  });
  return { id: jobId, user };
}

/** How often each of a play's texts was worked on. */
export const timesWorked = (name: string): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(worked, (text) => text)].flatMap(([text, times]) =>
      text.startsWith(`${name}:`) ? [[text.split(':')[1]!, times.length]] : [],
    ),
  );
