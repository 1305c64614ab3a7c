/** Predictions: their records, and the micro-batches that they are made in. */
export * from './batch.ts';
export * from './ids.ts';
export * from './of-jobs.ts';
export { forgetOutputsBefore, outputBytesOf, takeOutputs } from './outputs.ts';
export * from './pictures.ts';
export * from './records.ts';
export * from './retention.ts';
