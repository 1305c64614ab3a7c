/** Sandboxed child processes that stay warm: the parent's side. What a child's module needs is in `child/serve.ts`. */
export { LaneDied, LaneEnded, LaneLate, LaneStalled } from './errors.ts';
export { type Lane, type OpenOptions, openLane } from './parent/lane.ts';
export type { LaneAnswer, LaneItem, RangeSource, RunOptions } from './parent/run.ts';
export { LaneBudget } from './pool/budget.ts';
export { type AskOptions, LanePool, type PoolItem, type PoolOptions } from './pool/pool.ts';
export { type Holding, probeSandbox } from './sandbox/probe.ts';
export { SandboxLacking, type SandboxMode } from './sandbox/report.ts';
export { type LaneBuild, type LaneShape, laneBuild, laneShape, type TaskShape } from './shape.ts';
export { unlessAborted } from './waiting.ts';
