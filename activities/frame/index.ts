/** The frame on the activities' side: fence, heartbeat, progress, items, end. */
export { type Attempt, type FrameDeps, jobActivity } from './attempt.ts';
export { type ItemObject, type ItemOutcome, type ItemTools, type ItemWork, workPage } from './items.ts';
export { frameActivities, publishJob, putFiles } from './publish.ts';
