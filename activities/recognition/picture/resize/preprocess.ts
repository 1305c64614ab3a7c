/** The input of a classifier, made from a picture as its card says that training did. */
import sharp from 'sharp';
import {
  inputSizeOf,
  type Preprocess,
  type pillowFilters,
  type vipsFilters,
} from '../../model/card/preprocess.ts';
import { normalise, type Raster, type Tensor } from '../prepare.ts';
import { type Pixels, resample } from './pillow.ts';
import { type Placing, place } from './place.ts';

type Filter = Preprocess['resize']['filter'];

/** What the network sees of a picture, before it is numbers. Pixels of the raster stay as they are. */
export async function resizeForModel(
  raster: Raster,
  how: Preprocess,
): Promise<Pixels & { readonly placing: Placing }> {
  const placing = place(raster, how);
  const { filter } = how.resize;
  const pixels = isPillow(filter)
    ? resample(raster, { ...placing, filter })
    : await byLibvips(raster, placing, how.resize.mode === 'cover', filter);
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

const isPillow = (filter: Filter): filter is (typeof pillowFilters)[number] => filter.startsWith('pillow-');

async function byLibvips(
  { data, width, height }: Raster,
  { resized, window }: Placing,
  cover: boolean,
  kernel: (typeof vipsFilters)[number],
): Promise<Pixels> {
  const pixels = await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .resize(resized.width, resized.height, { fit: cover ? 'cover' : 'fill', kernel })
    .extract(window)
    .raw()
    .toBuffer();
  return { data: pixels, width: window.width, height: window.height };
}
