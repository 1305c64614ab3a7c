/** The log of a job that its user reads: lines per stage, written in batches, and to the process's log at once. */
import { appendLog, type Fence } from '@darkroom/records';
import type { FrameDeps } from './attempt.ts';

type Level = 'info' | 'warn' | 'error';

const interval = 500;

export class JobLog {
  readonly #deps: FrameDeps;
  readonly #fence: Fence;
  readonly #stage: string;
  readonly #traceId: string | null;
  #lines: { level: Level; line: string; at: Date }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: FrameDeps, fence: Fence, stage: string, traceId: string | undefined) {
    this.#deps = deps;
    this.#fence = fence;
    this.#stage = stage;
    this.#traceId = traceId ?? null;
  }

  line(level: Level, line: string): void {
    this.#deps.logger[level](
      { jobId: this.#fence.jobId, stage: this.#stage, attempt: this.#fence.attempt },
      line,
    );
    this.#lines.push({ level, line, at: new Date() });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // A log that cannot be written must not fail the work it tells of.
      this.#writing = this.#write().catch(() => {});
    }, interval);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    await appendLog(
      this.#deps.records.db,
      lines.map(({ level, line, at }) => ({
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
  }
}
