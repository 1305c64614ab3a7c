/** Every workflow a worker can run. */
export { removal, sweep } from './maintenance.ts';
export { photo } from './photo.ts';
export { video } from './video.ts';
