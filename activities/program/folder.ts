/**
 * The folder of a program: what its supervisor and the workers that follow it say to each other. Each file has one writer, and is replaced
 * whole, so that no reader finds half of one.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { self } from './processes.ts';

export const paths = {
  spec: (folder: string) => join(folder, 'spec.json'),
  /** Who looks after the folder: the worker that makes it, then the supervisor. */
  supervisor: (folder: string) => join(folder, 'supervisor.json'),
  status: (folder: string) => join(folder, 'status.json'),
  supervisorLog: (folder: string) => join(folder, 'supervisor.log'),
  output: (folder: string) => join(folder, 'output'),
  /** Where the program runs, finds its inputs and leaves its files. */
  work: (folder: string) => join(folder, 'work'),
};

/** Limits of a program; it is ended when it exceeds one. */
export const programLimits = z.object({
  /** From its start, however many workers follow it. */
  seconds: z.number().positive(),
  /** Without using the processor, writing a line or changing a file. */
  stallSeconds: z.number().positive(),
  /** Resident, of all its processes. */
  memoryBytes: z.number().positive(),
  /** Of the files in its folder. */
  diskBytes: z.number().positive(),
});
export type ProgramLimits = z.infer<typeof programLimits>;

export const spec = z.object({
  command: z.string(),
  args: z.array(z.string()),
  /** All that it gets besides the path and folders of its own. */
  env: z.record(z.string(), z.string()),
  limits: programLimits,
  /** Names its processes. */
  token: z.string(),
  /** Its output that is kept, bytes. */
  outputBytes: z.number().positive(),
  /** Between being asked to end and being made to. */
  graceMs: z.number(),
});
export type Spec = z.infer<typeof spec>;

const processName = z.object({ pid: z.int(), startedAt: z.number() });

/** Why a program ended: by itself, by a limit, or because nobody wanted it any more. */
const endCause = z.enum(['exit', 'time', 'stalled', 'memory', 'disk', 'unwanted']);
export type EndCause = z.infer<typeof endCause>;

export const status = z.object({
  program: processName,
  state: z.enum(['running', 'ended']),
  /** Seconds since it began. */
  seconds: z.number(),
  /** Seconds since it last used the processor, wrote a line or changed a file. */
  stillSeconds: z.number(),
  /** Raised with each such sign. */
  signs: z.int(),
  peakBytes: z.number(),
  cpuSeconds: z.number(),
  cause: endCause.optional(),
  exitCode: z.int().nullable().optional(),
  signal: z.string().nullable().optional(),
});
export type Status = z.infer<typeof status>;

/** What a worker that follows the program says: until when it wants it, and how far it has read its output. */
export const lease = z.object({
  claim: z.int(),
  /** On the machine's clock since its start, which nobody sets. */
  until: z.number(),
  read: z.int(),
});
export type Lease = z.infer<typeof lease>;

/** Seconds since the machine's start. */
export const now = (): number => uptime();

let drafts = 0;

/** Writes a file whole. Of several writes at once the last to come to its end stays. */
export async function put(path: string, value: unknown): Promise<void> {
  const draft = `${path}.${process.pid}-${++drafts}.new`;
  await writeFile(draft, JSON.stringify(value));
  await rename(draft, path);
}

/** A file that was {@link put}; undefined when it is not there. */
export async function get<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export const supervisorOf = (folder: string) => get(paths.supervisor(folder), processName);
export const statusOf = (folder: string) => get(paths.status(folder), status);

const leaseName = /^lease-(\d+)\.json$/;

/** Says that a worker wants the program, under its claim: a file for each, so that an older one does not overwrite a newer. */
export const putLease = (folder: string, one: Lease): Promise<void> =>
  put(join(folder, `lease-${one.claim}.json`), one);

/** The word of the newest claim; undefined without any. */
export async function newestLease(folder: string): Promise<Lease | undefined> {
  const names = await readdir(folder);
  const claims = names.flatMap((name) => leaseName.exec(name)?.[1] ?? []).map(Number);
  if (claims.length === 0) return undefined;
  return get(join(folder, `lease-${Math.max(...claims)}.json`), lease);
}

/**
 * Makes the folder of a program that is yet to have a supervisor: until then this process looks after it. Nobody else may look into it:
 * arguments and environment hold links and tokens.
 */
export async function makeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await put(paths.supervisor(folder), self());
  await mkdir(paths.work(folder));
  await mkdir(paths.output(folder));
}
