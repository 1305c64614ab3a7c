/** Photo recognition: the core, without storage, records or workflows. */
export {
  type AnalyseOptions,
  type Analysis,
  analyse,
} from './analyse.ts';
export { type ClassifiedPhoto, type ClassifyOptions, classifyPhoto } from './classify.ts';
export { ensureDefaultClassifier } from './converter/efficientnet/setup.ts';
export { ensureDefaultModel } from './converter/setup.ts';
export { annotate, classColour } from './draw/annotate.ts';
export { cocoJson, csv, type ExportPhoto, type ExportPhotos } from './jobs/export.ts';
export { openRecogniser, type RecogniseOptions, type Recogniser } from './lane/recogniser.ts';
export {
  defaultModelPath,
  type ModelCard,
  type ModelInput,
  type ModelLabels,
  modelCard,
} from './model/card/card.ts';
export { detect, type Wanted } from './model/detect.ts';
export type { Box, Detection } from './model/detection.ts';
export { type Classification, classify } from './model/heads/classifier.ts';
export { type HeadName, headNames } from './model/heads/index.ts';
export {
  type AnyModel,
  type Classifier,
  type Model,
  type ModelOptions,
  openAnyModel,
  openModel,
} from './model/session.ts';
export { isClassifier } from './model/understanding/understand.ts';
export {
  decode,
  type PhotoHeader,
  type PhotoLimits,
  probe,
  type Raster,
  toTensor,
} from './picture/prepare.ts';
export { type PhotoFormat, SNIFF_BYTES, type Sniffed, sniff } from './picture/sniff.ts';
export { type Hooks, type Stage, stages } from './stages.ts';
