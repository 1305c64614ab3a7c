/** A program as the work of an attempt: its fence, cancel, log, progress and problem. */
import { statfs } from 'node:fs/promises';
import { ProblemError } from '@darkroom/contract';
import { type Attempt, gotOn, isOutage, problemOfError } from '@darkroom/frame';
import { Fenced, type ItemRow } from '@darkroom/records';
import { CancelledFailure } from '@temporalio/common';
import { type Parting, type Program, type ProgramEnd, runProgram } from './run.ts';

export interface ProgramWork<R> extends Omit<Program, 'name'> {
  /** SHA-256 of what the program's files are a function of: one of the same job, stage, item and digest is taken over. */
  readonly digest: string;
  /** How far it is, by a line of its output; undefined for one that does not tell. */
  progress?(line: string): Counts | undefined;
  /** How far it is, by the names of the files in its folder. */
  files?(names: readonly string[]): Counts | undefined;
  /** Whether lines of its output go into the job's log; by default they do. */
  readonly logged?: boolean;
  /** Reads what the program left in its folder; called when it has ended with exit code 0. */
  collect(work: string, end: ProgramEnd): Promise<R>;
}

export interface Counts {
  readonly done: number;
  readonly total: number | null;
}

/**
 * Runs a program, or goes on with it where an attempt on this machine has left it: a worker that stops leaves it running for the next one.
 * A cancel and a lost fence end it with all that it began. Throws ProblemError: `program_failed`, `program_stalled`, `item_timeout`,
 * `memory_limit`, `out_of_space`.
 */
export const workProgram = <R>(attempt: Attempt, work: ProgramWork<R>): Promise<R> => {
  const { progress, call } = attempt;
  const tell = (counts: Counts): void => progress.counts(call.stage, counts.done, counts.total);
  return follow(attempt, work, { of: call.stage, tell });
};

/** A program as the work of an item: the counts of its stage are of items, and none of them is its own to tell. */
export type ItemProgram<R> = Omit<ProgramWork<R>, 'progress' | 'files'>;

/**
 * The same for an item of a page, whose stage counts items. An item that the worker gives back when it stops finds its program again; its
 * folder stays until the page ends, so each item has one of its own, also where two of a page are a function of the same.
 */
export const itemProgram = <R>(
  attempt: Attempt,
  { ordinal }: Pick<ItemRow, 'ordinal'>,
  work: ItemProgram<R>,
): Promise<R> => follow(attempt, work, { of: `${attempt.call.stage}.${ordinal}`, tell: () => {} });

interface Purpose {
  /** What of the job the program is for, as part of its folder's name. */
  readonly of: string;
  tell(counts: Counts): void;
}

async function follow<R>(attempt: Attempt, work: ProgramWork<R>, { of, tell }: Purpose): Promise<R> {
  const { fence, signal, log, progress, call } = attempt;
  const { dir: root, orphanSeconds } = attempt.deps.config.program;
  const { digest, collect, ...program } = work;
  const name = `${fence.jobId}.${of}.${digest.slice(0, 16)}`;
  const report = (counts: Counts | undefined): void => {
    if (counts !== undefined) tell(counts);
  };
  const prepare = async (folder: string): Promise<void> => {
    await requireSpace(folder, work.limits.diskBytes);
    await work.prepare?.(folder);
    await attempt.assertHeld();
  };
  const { result, release } = await runProgram(
    { ...program, name, prepare },
    {
      root,
      orphanSeconds,
      claim: fence.claim,
      signal,
      part: (error) => partingOf(signal, error) ?? (isOutage(problemOfError(error)) ? 'leave' : 'end'),
      started: (pid, takenOver) =>
        log.line(
          'info',
          `${call.stage}: ${takenOver ? 'goes on with' : 'runs'} ${work.command} as process ${pid}`,
        ),
      line: (line) => {
        if (work.logged !== false) log.line('info', line);
        report(work.progress?.(line));
      },
      ...(work.files && { files: (names) => report(work.files?.(names)) }),
      moved: () => {
        progress.moved();
        // It outlives this worker: no later attempt does again what it has done.
        gotOn();
      },
    },
    async (end, folder) => {
      requireSuccess(work, end);
      return collect(folder, end);
    },
  );
  // Whatever keeps the result from being kept: another attempt reads it again.
  attempt.atEnd((error) => release(error === undefined ? 'end' : (partingOf(signal, error) ?? 'leave')));
  return result;
}

/**
 * Its worker's end is not the program's; somebody's cancel is. An attempt that the engine gave up is followed by another. Undefined of one
 * that failed with all its rights.
 */
function partingOf({ aborted, reason }: AbortSignal, error: unknown): Parting | undefined {
  if ((aborted ? reason : error) instanceof Fenced) return 'lost';
  if (!aborted) return undefined;
  const ended = !(reason instanceof CancelledFailure) || reason.message === 'CANCELLED';
  return ended ? 'end' : 'leave';
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new ProblemError(
    'out_of_space',
    `The program may need ${bytes} bytes of disk, and ${bavail * bsize} are free.`,
  );
}

function requireSuccess({ command, limits }: ProgramWork<unknown>, end: ProgramEnd): void {
  const { cause, exitCode, signal, tail, peakBytes } = end;
  const said = tail.length === 0 ? '' : ` It said last: ${tail.slice(-5).join(' / ')}`;
  const name = command.split('/').at(-1);
  switch (cause) {
    case 'time':
      throw new ProblemError('item_timeout', `${name} took longer than ${limits.seconds} s.${said}`);
    case 'stalled':
      throw new ProblemError(
        'program_stalled',
        `${name} used no processor, said nothing and changed no file for ${limits.stallSeconds} s.${said}`,
      );
    case 'memory':
      throw new ProblemError(
        'memory_limit',
        `${name} used ${peakBytes} bytes of memory, and ${limits.memoryBytes} are its limit.${said}`,
      );
    case 'disk':
      throw new ProblemError(
        'program_failed',
        `${name} wrote more than ${limits.diskBytes} bytes, its limit.${said}`,
      );
  }
  if (signal === 'SIGKILL')
    throw new ProblemError(
      'memory_limit',
      `${name} was killed, and not by its limits: the machine ran out of memory. It had used ${peakBytes} bytes.${said}`,
    );
  if (exitCode === 0) return;
  const how = signal === null || signal === undefined ? `with exit code ${exitCode}` : `by ${signal}`;
  throw new ProblemError('program_failed', `${name} ended ${how}.${said}`);
}
