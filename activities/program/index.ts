/** External programs: run under a supervisor of their own, so that the end of a worker is not theirs. */
export { type Counts, type ItemProgram, itemProgram, type ProgramWork, workProgram } from './activity.ts';
export type { EndCause, ProgramLimits } from './folder.ts';
export {
  clearPrograms,
  type Finished,
  type Follower,
  type Parting,
  type Program,
  type ProgramEnd,
  runProgram,
  SupervisorDied,
  TakenOver,
} from './run.ts';
