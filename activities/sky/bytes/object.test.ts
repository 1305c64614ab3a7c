import { expect, it } from 'vitest';
import { objectSource } from './object.ts';

const found = { uri: 's3://b/a.fits', size: 10, etag: 'e1' };

it('reads ranges pinned to the ETag, none beyond the end', async () => {
  const asked: unknown[] = [];
  const source = objectSource(
    {
      get: async (uri, { range, ifMatch }) => {
        asked.push([uri, range, ifMatch]);
        const parts = [Uint8Array.of(1, 2), Uint8Array.of(3)];
        return {
          stream: (async function* () {
            yield* parts;
          })(),
        };
      },
    },
    found,
  );
  expect(await source.read(7, 100)).toEqual(Uint8Array.of(1, 2, 3));
  expect(await source.read(10, 5)).toEqual(new Uint8Array(0));
  expect(asked).toEqual([['s3://b/a.fits', { start: 7, length: 3 }, 'e1']]);
});

it.each([
  [
    'a changed object',
    Object.assign(new Error('gone'), { code: 'source_changed' }),
    { name: 'SkyError', code: 'source_changed' },
  ],
  [
    'another failure as it is',
    Object.assign(new Error('busy'), { code: 'storage_unavailable' }),
    { name: 'Error', message: 'busy' },
  ],
])('tells %s', async (_, failure, wanted) => {
  const source = objectSource(
    {
      get: async () => {
        throw failure;
      },
    },
    found,
  );
  await expect(source.read(0, 1)).rejects.toMatchObject(wanted);
});

it('refuses fewer bytes than asked, and more', async () => {
  for (const length of [2, 5]) {
    const stream = (async function* () {
      yield new Uint8Array(length);
    })();
    const source = objectSource({ get: async () => ({ stream }) }, found);
    await expect(source.read(0, 3)).rejects.toMatchObject({ code: 'truncated_fits' });
  }
});
