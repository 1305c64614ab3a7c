/** Jobs of cutouts on the real stack: surveys of a few tiles, lists as their users send them, workers that come and go. */
import { type Job, job as jobDocument } from '@darkroom/contract';
import { createKey } from '@darkroom/records';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import type { TestProcess } from '../../harness/process.ts';
import { ApiUser } from '../../harness/user.ts';
import { type Platform, startPlatform } from '../platform.ts';
import { csvOf, type Row, surveyOf, tileFile } from './tiles.ts';

export interface Jobs {
  readonly platform: Platform;
  readonly ada: ApiUser;
  /** Puts so many tiles, and what `changes` has in their place, and indexes them; again where they were indexed before. */
  survey(name: string, tiles: number, options?: SurveyOptions): Promise<void>;
  tileUri(survey: string, tile: number): string;
  putTile(survey: string, tile: number, file: Buffer): Promise<void>;
  /** Submits a list; the id of its job. */
  submit(survey: string, rows: readonly Row[], options?: Record<string, string>): Promise<string>;
  /** Reads an answer as it comes; how many bytes it has. */
  read(
    path: string,
    headers: Record<string, string>,
    take: (chunk: Uint8Array) => void,
    signal?: AbortSignal,
  ): Promise<number>;
  ended(id: string, seconds?: number): Promise<Job>;
  /** A worker for cutouts of jobs alone. */
  worker(changes?: Record<string, string>): Promise<TestProcess>;
  close(): Promise<void>;
}

export interface SurveyOptions {
  readonly verify?: boolean;
  readonly changes?: ReadonlyMap<number, Buffer>;
}

/** Pixels of a cutout each way. */
export const pixels = 16;

export async function openJobs(name: string): Promise<Jobs> {
  const platform = await startPlatform(name, {
    // Longer than a worker that lives is silent on a busy machine: of items in its hands that would be a death.
    HEARTBEAT_TIMEOUT_SECONDS: '8',
    // Nothing is to go before these jobs, least of all other tests.
    BATCH_NICE: '0',
  });
  const { records, storage, stack } = platform;
  const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
  const ada = new ApiUser(platform.api.url, key);
  const tileUri = (survey: string, tile: number): string => `s3://${storage.bucket}/${survey}/t${tile}.fits`;
  const putTile = async (survey: string, tile: number, file: Buffer): Promise<void> => {
    await storage.putBytes(tileUri(survey, tile), file, { contentType: 'application/fits' });
  };
  return {
    platform,
    ada,
    tileUri,
    putTile,
    async survey(survey, tiles, { verify = false, changes } = {}) {
      for (let tile = 0; tile < tiles; tile++)
        await putTile(survey, tile, changes?.get(tile) ?? tileFile(tile));
      await indexSurvey(surveyOf(survey, storage.bucket), { db: records.db, store: storage, verify });
    },
    async submit(survey, rows, options = {}) {
      const query = new URLSearchParams({ survey, size: `${pixels}px`, ...options });
      const answer = await ada.call(`/v1/cutouts?${query}`, {
        method: 'POST',
        headers: { 'content-type': 'text/csv' },
        body: csvOf(rows),
      });
      if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
      return jobDocument.parse(await answer.json()).id;
    },
    async read(path, headers, take, signal = new AbortController().signal) {
      const answer = await fetch(`${platform.api.url}${path}`, {
        headers: { authorization: `Bearer ${key}`, ...headers },
        signal,
      });
      const status = 'range' in headers ? 206 : 200;
      if (answer.status !== status) throw new Error(`${answer.status}: ${await answer.text()}`);
      let bytes = 0;
      for await (const chunk of answer.body ?? []) {
        bytes += chunk.length;
        take(chunk);
        signal.throwIfAborted();
      }
      return bytes;
    },
    ended: (id, seconds = 300) => ada.ended(id, seconds * 1000),
    worker: (changes = {}) => stack.startWorker({ DARKROOM_QUEUES: 'sky,sky-mosaic', ...changes }),
    close: () => platform.close(),
  };
}
