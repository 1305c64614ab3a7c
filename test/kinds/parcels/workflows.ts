/** Every workflow a worker of parcels can run. */
export * from '@darkroom/workflows';
export { parcels } from './workflow.ts';
