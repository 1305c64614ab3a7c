/** The frame on the activities' side: fence, heartbeat, progress, items, end. */
export { type Attempt, type FrameDeps, jobActivity } from './attempt.ts';
export { type ItemOutcome, type ItemTools, type ItemWork, workPage } from './items.ts';
export type { ItemObject } from './objects.ts';
export { frameActivities, publishJob, putFiles } from './publish.ts';
