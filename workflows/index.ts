/** Every workflow a worker can run. */
export { cutouts } from './cutouts.ts';
export { removal, sweep } from './maintenance.ts';
export { photo } from './photo.ts';
export { predictionBatch } from './prediction-batch.ts';
export { unit } from './unit.ts';
export { video } from './video.ts';
