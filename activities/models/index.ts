/** What models there are and who has them open: what workers tell, what is registered, which names stand for which versions. */
export * from './aliases.ts';
export * from './changes.ts';
export * from './confirmations.ts';
export * from './names.ts';
export * from './now.ts';
export * from './registry.ts';
export * from './resolve.ts';
export type { AliasTarget, ConfirmationState, ModelAction, VersionState } from './schema.ts';
export { believedSeconds } from './told.ts';
export * from './trials.ts';
export { understoodModels, understoodVersion } from './understood.ts';
export * from './workers.ts';
