/** Every workflow a worker of surveys can run. */
export * from '@darkroom/workflows';
export { scans, survey } from './workflow.ts';
