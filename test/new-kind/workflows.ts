/** Every workflow a worker can run. */
export * from '@darkroom/workflows';
export { tally } from './workflow.ts';
