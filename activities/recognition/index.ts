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
export {
  decode,
  type PhotoHeader,
  type PhotoLimits,
  probe,
  type Raster,
  toTensor,
} from './decode/prepare.ts';
export { type PhotoFormat, SNIFF_BYTES, type Sniffed, sniff } from './decode/sniff.ts';
export type { Box, Detection } from './detection.ts';
export { annotate, classColour } from './draw/annotate.ts';
export { type HeadName, headNames } from './heads/index.ts';
export { analyseIsolated, type IsolatedOptions } from './isolated/isolate.ts';
export { type ModelCard, type ModelInput, type ModelLabels, modelCard } from './models/card.ts';
export { type Model, type ModelOptions, openModel } from './models/session.ts';
export { cocoJson, csv, type ExportPhoto, type ExportPhotos } from './results/export.ts';
export { defaultModelPath, ensureDefaultModel } from './setup.ts';
