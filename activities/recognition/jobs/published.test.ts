import { describe, expect, it } from 'vitest';
import type { ExportPhoto } from './export.ts';
import { readOnce } from './published.ts';

function source(count: number) {
  let readings = 0;
  const photos = Array.from({ length: count }, (_, i): ExportPhoto => {
    return { segmentId: i + 1, filename: `${i + 1}.jpg`, width: 1, height: 1, detections: [] };
  });
  return {
    photos,
    readings: () => readings,
    read: async function* () {
      readings++;
      yield* photos;
    },
  };
}

async function through(photos: AsyncIterable<ExportPhoto> | Iterable<ExportPhoto>): Promise<ExportPhoto[]> {
  const seen: ExportPhoto[] = [];
  for await (const photo of photos) seen.push(photo);
  return seen;
}

describe('photos that an export is made of', () => {
  it('are read once where they are few, and are the same each time', async () => {
    const few = source(100);
    const photos = readOnce(few.read);
    for (let i = 0; i < 3; i++) expect(await through(photos())).toEqual(few.photos);
    expect(few.readings()).toBe(1);
  });

  it('are read each time where they are many, so that they are never all in memory', async () => {
    const many = source(101);
    const photos = readOnce(many.read);
    for (let i = 0; i < 3; i++) expect(await through(photos())).toEqual(many.photos);
    expect(many.readings()).toBe(3);
  });

  it('are read anew after a reading that was broken off', async () => {
    const few = source(3);
    const photos = readOnce(few.read);
    for await (const photo of photos()) if (photo.segmentId === 2) break;
    expect(await through(photos())).toEqual(few.photos);
  });
});
