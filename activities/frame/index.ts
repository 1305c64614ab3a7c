/** The frame on the activities' side: fence, heartbeat, progress, items, end. */
export { gotOn, isReleased, keepAlive } from './attempt/alive.ts';
export { type ActivityOptions, type Attempt, type FrameDeps, jobActivity } from './attempt/attempt.ts';
export { isOutage, problemOfError } from './attempt/failure.ts';
export { offerSlots } from './attempt/slots.ts';
export { asUnitAttempt, unitAttempt } from './attempt/unit-attempt.ts';
export { type Delivering, deliverResults } from './deliver/deliver.ts';
export { type FrameActivities, frameActivities } from './end/finish.ts';
export { redoMissing } from './end/missing.ts';
export { ObjectTable } from './end/object-table.ts';
export { publishJob, putFiles } from './end/publish.ts';
export { saveFound } from './found.ts';
export { workPage } from './items/page.ts';
export type { ItemOutcome, ItemTools, ItemWork } from './items/work.ts';
export { folderOf, type ItemObject, putStream, type StreamedObject } from './objects.ts';
export type { ListedObject } from './plan/list.ts';
export { planItems } from './plan/plan.ts';
export type { PlannedItem, PlannedRow, PlanWork } from './plan/work.ts';
export { type StageTools, type StageWork, workStage } from './stage.ts';
