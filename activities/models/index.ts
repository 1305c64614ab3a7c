/** What models there are and who has them open: what workers tell, what is registered, which names stand for which versions. */
export * from './registry/aliases.ts';
export * from './registry/changes.ts';
export * from './registry/registry.ts';
export * from './registry/trials.ts';
export * from './resolution/names.ts';
export * from './resolution/now.ts';
export * from './resolution/resolve.ts';
export type { AliasTarget, ConfirmationState, ModelAction, VersionState } from './schema.ts';
export * from './workers/confirmations.ts';
export { believedSeconds } from './workers/told.ts';
export { understoodModels, understoodVersion } from './workers/understood.ts';
export * from './workers/workers.ts';
