/** What Temporal's Web UI shows of a job beside its history. */
import type { JobStart, StageCounts } from '@darkroom/contract';
import { setCurrentDetails } from '@temporalio/workflow';

/** The stages as a small table in Temporal's Web UI. */
export class Details {
  readonly #start: JobStart;
  readonly #counts = new Map<string, StageCounts>();
  /** Stages that have ended. */
  readonly #ended = new Set<string>();
  #state = 'running';

  constructor(start: JobStart) {
    this.#start = start;
    for (const stage of start.counts ?? []) this.#counts.set(stage.name, stage);
  }

  /** Counts of the stages that were told of, for the run that goes on from here. */
  get all(): readonly StageCounts[] {
    return [...this.#counts.values()];
  }

  counts(stages: readonly StageCounts[]): void {
    for (const stage of stages) {
      // Pages that are worked on side by side report out of order; what was shown does not fall.
      if ((this.#counts.get(stage.name)?.done ?? -1) <= stage.done) this.#counts.set(stage.name, stage);
    }
    this.show(this.#state);
  }

  /** A stage has ended, whatever was told of its counts. */
  done(name: string): void {
    this.#ended.add(name);
    this.show(this.#state);
  }

  show(state: string): void {
    this.#state = state;
    const rows = this.#start.stages.map((name) => {
      const stage = this.#counts.get(name);
      return `| ${name} | ${this.#doneOf(name, stage)} | ${stage?.failed ? stage.failed : ''} |`;
    });
    setCurrentDetails(
      [
        `**${this.#start.title}** · ${state} · run ${this.#start.run}`,
        '',
        '| stage | done | failed |',
        '| --- | --- | --- |',
        ...rows,
      ].join('\n'),
    );
  }

  #doneOf(name: string, stage: StageCounts | undefined): string {
    const total = stage?.total ?? null;
    if (this.#ended.has(name)) return total === null ? 'done' : `${total} / ${total}`;
    if (stage === undefined) return '–';
    return total === null ? `${stage.done}` : `${stage.done} / ${total}`;
  }
}
