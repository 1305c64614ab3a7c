/** The log of a job that its user reads: lines per stage, written in batches, and to the process's log at once. */
import { appendLog, type Fence } from '@darkroom/records';
import type { FrameDeps } from '../attempt/attempt.ts';
import { isOutage, problemOfError } from '../attempt/failure.ts';
import { PeriodicWriter } from './periodic-writer.ts';

type Level = 'info' | 'warn' | 'error';

const interval = 500;

/** Bytes of lines that wait to be written; beyond, the oldest are given up, and their number is said in their place. */
const mostWaiting = 1024 * 1024;

interface Line {
  readonly level: Level;
  readonly line: string;
  readonly at: Date;
}

export class JobLog {
  readonly #deps: FrameDeps;
  readonly #fence: Fence;
  readonly #stage: string;
  readonly #traceId: string | null;
  readonly #writer: PeriodicWriter;
  #lines: Line[] = [];
  #bytes = 0;
  #lost = 0;

  constructor(deps: FrameDeps, fence: Fence, stage: string, traceId: string | undefined) {
    this.#deps = deps;
    this.#fence = fence;
    this.#stage = stage;
    this.#traceId = traceId ?? null;
    // A log that cannot be written must not fail the work it tells of. What no retry helps is tried again with the next line only.
    this.#writer = new PeriodicWriter(
      interval,
      () => this.#write(),
      (error) => isOutage(problemOfError(error)),
    );
  }

  line(level: Level, line: string): void {
    this.#deps.logger[level](
      { jobId: this.#fence.jobId, stage: this.#stage, attempt: this.#fence.attempt },
      line,
    );
    this.#keep([{ level, line, at: new Date() }]);
    this.#writer.schedule();
  }

  /** Writes what is left. A line may be written twice where Postgres did not say whether it has the first. */
  close(): Promise<void> {
    return this.#writer.flush();
  }

  /** Lets lines wait to be written, within the bound. */
  #keep(lines: readonly Line[]): void {
    this.#lines.push(...lines);
    for (const { line } of lines) this.#bytes += Buffer.byteLength(line);
    while (this.#bytes > mostWaiting && this.#lines.length > 1) {
      this.#bytes -= Buffer.byteLength(this.#lines.shift()!.line);
      this.#lost++;
    }
  }

  async #write(): Promise<void> {
    const lines = this.#lines;
    const lost = this.#lost;
    if (lines.length === 0) return;
    this.#lines = [];
    this.#bytes = 0;
    this.#lost = 0;
    const gap: Line[] =
      lost === 0
        ? []
        : [
            {
              level: 'warn',
              line: `${lost} lines before this one are missing: the records were away.`,
              at: lines[0]!.at,
            },
          ];
    try {
      await appendLog(
        this.#deps.records.db,
        [...gap, ...lines].map(({ level, line, at }) => ({
          jobId: this.#fence.jobId,
          run: this.#fence.run,
          stage: this.#stage,
          level,
          attempt: this.#fence.attempt,
          line,
          at,
          traceId: this.#traceId,
        })),
      );
    } catch (error) {
      const later = this.#lines;
      this.#lines = [];
      this.#bytes = 0;
      this.#lost += lost;
      this.#keep([...lines, ...later]);
      throw error;
    }
  }
}
