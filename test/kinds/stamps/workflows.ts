/** Every workflow a worker can run. */
export * from '@darkroom/workflows';
export { stamps } from './workflow.ts';
