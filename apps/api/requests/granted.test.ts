import { describe, expect, it } from 'vitest';
import { requireGranted } from './granted.ts';

describe('requireGranted', () => {
  const own = { bucket: 'house', uploads: 'uploads/abc/', ownsJob: async (id: string) => id === 'mine' };
  const grants = [
    { group: 'lab', prefix: 's3://samples/photos/', access: 'read' as const },
    { owner: 'bo', prefix: 's3://samples/bo/', access: 'read' as const },
  ];
  const ask = (uri: string, groups = ['lab']) => requireGranted(uri, { owner: 'ann', groups }, grants, own);

  it.each([
    's3://samples/photos/a.jpg',
    's3://samples/photos/',
    's3://house/uploads/abc/1/a.jpg',
    's3://house/input-files/mine/a.jpg',
    's3://house/input-files/mine/',
  ])('lets %s pass', async (uri) => {
    await expect(ask(uri)).resolves.toBeUndefined();
  });

  it.each([
    's3://samples/bo/a.jpg',
    's3://samples/photosets/a.jpg',
    's3://samples/',
    's3://house/uploads/abcd/1/a.jpg',
    's3://house/uploads/',
    's3://house/input-files/theirs/a.jpg',
    's3://house/input-files/',
    's3://house/recognition-results/mine/a.jpg',
    's3://other/input-files/mine/a.jpg',
  ])('refuses %s', async (uri) => {
    await expect(ask(uri)).rejects.toMatchObject({ code: 'source_not_granted' });
  });

  it('refuses what only another group may read', async () => {
    await expect(ask('s3://samples/photos/a.jpg', [])).rejects.toMatchObject({ code: 'source_not_granted' });
  });

  it.each([
    '',
    'photo.jpg',
    'http://x/y',
    's3://samples',
    's3://samples/photos/../bo/a.jpg',
    's3://samples/photos//',
  ])('says that %j is no URI', async (uri) => {
    await expect(ask(uri)).rejects.toMatchObject({ code: 'validation_failed' });
  });
});
