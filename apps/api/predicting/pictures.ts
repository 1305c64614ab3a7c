/** Pictures that are kept with their predictions: put into the store before the prediction is made, and out of it with that. */
import { announcePicture, type PredictionPlace, pictureKey, picturesOf } from '@darkroom/prediction';
import { SNIFF_BYTES, sniff } from '@darkroom/recognition/picture/sniff.ts';
import type { Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { toProblem } from '../problems.ts';

/** A store that has not taken a picture by then is away. */
const putSeconds = 5;

export interface KeepingDeps {
  readonly records: Pick<Records, 'db'>;
  readonly storage: Pick<Storage, 'putBytes'>;
}

/** What a picture is, told by its first bytes; of what is no picture, nothing is told. */
export function contentTypeOf(picture: Uint8Array): string {
  const found = sniff(picture.subarray(0, SNIFF_BYTES));
  if (found.kind === 'photo') return `image/${found.format}`;
  return found.kind === 'heic' ? 'image/heic' : 'application/octet-stream';
}

/** Keeps a picture, until `signal` aborts at the latest. Throws `storage_unavailable`, `records_unavailable`. */
export async function keepPicture(
  { records: { db }, storage }: KeepingDeps,
  place: PredictionPlace,
  picture: Uint8Array,
  until: AbortSignal,
): Promise<void> {
  const contentType = contentTypeOf(picture);
  await announcePicture(db, place, contentType);
  const bytes = Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength);
  const signal = AbortSignal.any([until, AbortSignal.timeout(putSeconds * 1000)]);
  try {
    await storage.putBytes(pictureKey(place.id), bytes, { contentType, signal });
  } catch (error) {
    // The upkeep finds out whether nothing came of it: the same may be asked for again, and be putting it now.
    throw toProblem(error);
  }
}

/** What removes the picture of a prediction that is about to be deleted, if it has one. What fails is done by the upkeep. */
export async function removalOfPicture(
  {
    records: { db },
    storage,
  }: { readonly records: Pick<Records, 'db'>; readonly storage: Pick<Storage, 'remove'> },
  id: number,
): Promise<() => Promise<void>> {
  const kept = await picturesOf(db, [id]);
  const keys = kept.map(({ predictionId }) => pictureKey(predictionId));
  return async () => {
    // Its row says already that it is to go, which is what a fence would hold.
    if (keys.length > 0) await storage.remove(keys, { assertHeld: async () => {} }).catch(() => {});
  };
}
