/** Predictions: all under the paths today's users know, and under /v1. */
import type { Api } from '../../context.ts';
import { bases } from '../../openapi/bases.ts';
import { registerKeptPicture } from './kept-picture.ts';
import { registerPredict } from './predict.ts';
import { registerPredictionReads } from './reads.ts';

/** Registers the routes. */
export function registerPredictions(api: Api): void {
  for (const base of bases) {
    registerPredict(api, base);
    registerPredictionReads(api, base);
    registerKeptPicture(api, base);
  }
}
