/** Photo recognition: the core, without storage, records or workflows. */
export {
  type AnalyseOptions,
  type Analysis,
  analyse,
  detect,
  type Hooks,
  type Stage,
  stages,
} from './analyse.ts';
export { annotate, classColour } from './annotate.ts';
export { type ModelCard, type ModelInput, type ModelLabels, modelCard } from './card.ts';
export type { Box, Detection } from './detection.ts';
export { cocoJson, csv, type ExportPhoto, type ExportPhotos } from './export.ts';
export { type HeadName, headNames } from './heads/index.ts';
export { analyseIsolated, type IsolatedOptions } from './isolate.ts';
export { decode, type PhotoHeader, type PhotoLimits, probe, type Raster, toTensor } from './prepare.ts';
export { type Model, type ModelOptions, openModel } from './session.ts';
export { defaultModelPath, ensureDefaultModel } from './setup.ts';
export { type PhotoFormat, SNIFF_BYTES, type Sniffed, sniff } from './sniff.ts';
