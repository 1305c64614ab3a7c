/** The contract: what API, records, workflows and activities say to each other. */

export * from './jobs/call.ts';
export * from './jobs/job.ts';
export * from './jobs/kind.ts';
export * from './jobs/list.ts';
export * from './jobs/queue.ts';
export * from './jobs/unit.ts';
export * from './kinds/analysis.ts';
export * from './kinds/cutout.ts';
export * from './kinds/cutouts.ts';
export * from './kinds/photo.ts';
export * from './kinds/prediction.ts';
export * from './kinds/prediction-batch.ts';
export * from './kinds/survey.ts';
export * from './kinds/video.ts';
export * from './models/models.ts';
export * from './models/registry.ts';
export * from './problems/problem.ts';
export * from './sandbox.ts';
