/** Predictions as they are told of: two keys, or all there is. */
import type { PredictionAnswer } from '@darkroom/contract';
import { type PredictionRow, picturesOf, toPredictionDetail } from '@darkroom/prediction';
import type { ApiContext } from '../../context.ts';
import { signLink } from '../../signed/links.ts';

/** The documents of those rows, in their order. */
export async function documentsOf(
  c: ApiContext,
  rows: readonly PredictionRow[],
  detail: boolean,
): Promise<PredictionAnswer[]> {
  if (!detail) return rows.map(({ id, result }) => ({ id, result }));
  const { deps, caller } = c.var;
  const kept = await picturesOf(
    deps.records.db,
    rows.map(({ id }) => id),
  );
  const withPicture = new Set(kept.map(({ predictionId }) => predictionId));
  const addressOf = (id: number): string =>
    deps.config.api.publicUrl + signLink(deps.config.links, `/v1/predict/${id}/picture`, caller);
  return rows.map((row) => toPredictionDetail(row, withPicture.has(row.id) ? addressOf(row.id) : null));
}
