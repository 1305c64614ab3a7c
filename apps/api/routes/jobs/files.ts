/** The files a job made. */
import {
  hasEnded,
  type JobState,
  type ManifestFile,
  manifest,
  manifestFile,
  manifestIndex,
  ProblemError,
} from '@darkroom/contract';
import { countFiles, type FilePlace, type JobRow, listFiles } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { z } from '@hono/zod-openapi';
import type { ApiDeps } from '../../context.ts';

/** A manifest of some hundred thousand files in one piece, as older versions wrote it; a part of one is much smaller. */
const manifestBytes = 256 * 1024 * 1024;

/** Throws `results_not_ready` before the end of a job, `results_removed` after their retention. */
export function requireResults(job: JobRow): void {
  if (!hasEnded(job.state as JobState)) {
    throw new ProblemError('results_not_ready', `The job is ${job.state}.`);
  }
  if (job.resultsRemovedAt !== null) {
    throw new ProblemError('results_removed', `They were removed at ${job.resultsRemovedAt.toISOString()}.`);
  }
}

/** The files a job's results list, by pages: of a job that did not succeed, those that were finished. */
export interface ResultFiles {
  total(): Promise<number>;
  /**
   * At most `limit` files after `after`, of `item` alone where that is given ('': of the job itself), with their places in the ledger, and after
   * which one the next page begins, if there is one.
   */
  page(
    after: FilePlace | undefined,
    limit: number,
    item?: string,
  ): Promise<{
    readonly files: readonly ManifestFile[];
    readonly places?: readonly FilePlace[];
    readonly next: FilePlace | undefined;
  }>;
}

/** Of the ledger; of the manifest, in one piece or in parts, where a job succeeded before its own files were noted in the ledger. */
export function resultFiles({ storage, records: { db } }: ApiDeps, job: JobRow): ResultFiles {
  const uri = job.result?.manifest;
  if (job.files === null && typeof uri === 'string') return manifestFiles(storage, uri);
  return {
    total: () => countFiles(db, job),
    async page(after, limit, item) {
      const listed = await listFiles(db, job.id, { after, limit: limit + 1, item });
      const page = listed.slice(0, limit);
      return {
        files: page.map(({ file }) => file),
        places: page.map(({ place }) => place),
        next: listed.length > limit ? page.at(-1)?.place : undefined,
      };
    },
  };
}

interface ManifestPart {
  readonly files: number;
  read(): Promise<readonly ManifestFile[]>;
}

/** A place is how many files come before it. The part that was read last is kept. */
function manifestFiles(storage: Pick<Storage, 'getBytes'>, uri: string): ResultFiles {
  const parts = once(() => manifestParts(storage, uri));
  let last: { part: ManifestPart; files: Promise<readonly ManifestFile[]> } | undefined;
  const filesOf = (part: ManifestPart): Promise<readonly ManifestFile[]> => {
    if (last?.part !== part) last = { part, files: part.read() };
    return last.files;
  };
  const total = async (): Promise<number> => (await parts()).reduce((sum, { files }) => sum + files, 0);
  return {
    total,
    async page(after, limit, item) {
      const from = after?.length === 1 ? after[0] : 0;
      const to = from + limit;
      const files: ManifestFile[] = [];
      let before = 0;
      for (const part of await parts()) {
        const begins = before;
        before += part.files;
        if (before <= from || begins >= to) continue;
        files.push(...(await filesOf(part)).slice(Math.max(0, from - begins), to - begins));
      }
      const wanted = item === undefined ? files : files.filter((file) => (file.item ?? '') === item);
      return { files: wanted, next: to < before ? [to] : undefined };
    },
  };
}

async function manifestParts(storage: Pick<Storage, 'getBytes'>, uri: string): Promise<ManifestPart[]> {
  const bytes = await storage.getBytes(uri, { maxBytes: manifestBytes });
  const top = z.union([manifest, manifestIndex]).parse(JSON.parse(bytes.toString()));
  if ('files' in top) return [{ files: top.files.length, read: async () => top.files }];
  return top.parts.map(({ uri: at, files, bytes: maxBytes, sha256 }) => ({
    files,
    read: async () => {
      const lines = (await storage.getBytes(at, { maxBytes, sha256 })).toString().trimEnd().split('\n');
      return lines.map((line) => manifestFile.parse(JSON.parse(line)));
    },
  }));
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
