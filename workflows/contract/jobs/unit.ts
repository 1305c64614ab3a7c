/** What a stand-in for a standalone activity is told; see dispatch's units. */

/** Workflow type of the stand-in, the exported function under workflows/. */
export const unitWorkflow = 'unit';

export interface UnitRun {
  readonly id: string;
  readonly activity: string;
  readonly args: readonly unknown[];
  /** Attempts at most. */
  readonly attempts: number;
  readonly attemptSeconds: number;
}
