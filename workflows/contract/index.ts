/** The contract: what API, records, workflows and activities say to each other. */
export * from './analysis.ts';
export * from './call.ts';
export * from './job.ts';
export * from './kind.ts';
export * from './list.ts';
export * from './models.ts';
export * from './photo.ts';
export * from './prediction.ts';
export * from './prediction-batch.ts';
export * from './problem.ts';
export * from './registry.ts';
export * from './sandbox.ts';
export * from './unit.ts';
export * from './video.ts';
