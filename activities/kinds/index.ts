/** The one line of registration of each kind: what the contract says of it, and what it has in the records. */
import { analysisRecords } from '@darkroom/analysis';
import { cutoutsKind, photoKind, predictionBatchKind, videoKind } from '@darkroom/contract';
import { jobPredictionRecords } from '@darkroom/prediction';
import type { Kinds } from '@darkroom/records';
import { cutoutRecords } from '@darkroom/sky/jobs/results/made.ts';

export const kinds: Kinds = {
  [cutoutsKind.kind]: { ...cutoutsKind, records: cutoutRecords },
  [photoKind.kind]: { ...photoKind, records: analysisRecords },
  [predictionBatchKind.kind]: { ...predictionBatchKind, records: jobPredictionRecords },
  [videoKind.kind]: { ...videoKind, records: analysisRecords },
};
