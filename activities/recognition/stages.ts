/** What a picture goes through, in this order. */
export const stages = ['probe', 'prepare', 'recognise', 'annotate'] as const;
export type Stage = (typeof stages)[number];

export interface Hooks {
  /** Called, and waited for, as each stage begins; what it throws ends the work. */
  readonly onStage?: (stage: Stage) => void | Promise<void>;
}

export interface StagedWork {
  /** Does the work of a stage and notes its time. Throws the signal's reason before it begins. */
  stage<T>(name: Stage, work: () => Promise<T>): Promise<T>;
  /** Milliseconds each stage took. */
  readonly timings: Readonly<Partial<Record<Stage, number>>>;
}

/** The stages of one picture. */
export function inStages({ onStage }: Hooks, signal?: AbortSignal): StagedWork {
  const timings: Partial<Record<Stage, number>> = {};
  return {
    timings,
    async stage(name, work) {
      signal?.throwIfAborted();
      await onStage?.(name);
      signal?.throwIfAborted();
      const start = performance.now();
      const result = await work();
      timings[name] = performance.now() - start;
      return result;
    },
  };
}
