/**
 * The Open Inference Protocol, version 2: https://github.com/kserve/open-inference-protocol. Predictions like all others, asked for in its
 * words; every error is `{"error"}`.
 */
import type { Api } from '../../context.ts';
import { registerInferenceHealth } from './health.ts';
import { registerInfer } from './infer.ts';
import { registerModelMetadata } from './metadata.ts';
import { registerModelStatistics } from './statistics.ts';

/** Registers the routes. */
export function registerInference(api: Api): void {
  registerInferenceHealth(api);
  registerModelStatistics(api);
  registerModelMetadata(api);
  registerInfer(api);
}
