/** The files a job made. */
import { hasEnded, type JobState, type ManifestFile, manifest, ProblemError } from '@darkroom/contract';
import { allFiles, type JobRow } from '@darkroom/records';
import type { ApiDeps } from './context.ts';

/** A manifest of some hundred thousand files. */
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

/** The files in the manifest's order; of a job that did not succeed, those that were finished. */
export async function resultFiles(
  { storage, records }: ApiDeps,
  job: JobRow,
): Promise<readonly ManifestFile[]> {
  const uri = job.result?.manifest;
  if (typeof uri !== 'string') {
    const files: ManifestFile[] = [];
    for await (const file of allFiles(records.db, job.id)) files.push(file);
    return files;
  }
  const bytes = await storage.getBytes(uri, { maxBytes: manifestBytes });
  return manifest.parse(JSON.parse(bytes.toString())).files;
}
