/** The input of a classifier, made from a picture as its card says that training did. */
import { inputSizeOf, type Preprocess } from '../../model/card/preprocess.ts';
import { normalise, type Raster, type Tensor } from '../prepare.ts';
import type { Pixels } from './pillow.ts';
import { type Placing, place } from './place.ts';
import { resize } from './resize.ts';

/** What the network sees of a picture, before it is numbers. Pixels of the raster stay as they are. */
export async function resizeForModel(
  raster: Raster,
  how: Preprocess,
): Promise<Pixels & { readonly placing: Placing }> {
  const placing = place(raster, how);
  const pixels = await resize(raster, placing, how.resize.filter);
  return { ...pixels, placing };
}

/** The model's input from a raster. */
export async function preprocess(raster: Raster, how: Preprocess): Promise<Tensor> {
  const { placing, ...pixels } = await resizeForModel(raster, how);
  return tensorOf(pixels, placing, how);
}

/** The model's input from what the network sees. */
export function tensorOf({ data }: Pixels, { placed }: Pick<Placing, 'placed'>, how: Preprocess): Tensor {
  const pad = how.resize.mode === 'letterbox' ? how.resize.pad : 0;
  return normalise(data, placed, { ...how, ...inputSizeOf(how), pad });
}
