import { createStorage } from '@darkroom/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { ensureBuckets, sampleBucket } from './samples.ts';

let s3: TestS3;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3?.stop());

/** Whether a page of `origin` may read what lies in `bucket`. */
async function mayRead(bucket: string, origin: string): Promise<boolean> {
  const storage = createStorage({ ...s3, bucket, forcePathStyle: true });
  try {
    await storage.putBytes('x', Buffer.from('x'), { contentType: 'text/plain' });
    const link = await storage.linkTo('x', { expiresInSeconds: 60 });
    const answer = await fetch(link, { headers: { origin } });
    return answer.headers.get('access-control-allow-origin') === origin;
  } finally {
    storage.close();
  }
}

test('both buckets are open to the pages that the API is open to, and closed again with it', async () => {
  const page = 'https://viewer.example.org';
  await ensureBuckets(s3, [page]);
  for (const bucket of [s3.bucket, sampleBucket]) {
    expect({ bucket, page: await mayRead(bucket, page) }).toEqual({ bucket, page: true });
    expect(await mayRead(bucket, 'https://elsewhere.test')).toBe(false);
  }
  // Somebody else's rules are left alone.
  await ensureBuckets(s3, undefined);
  expect(await mayRead(s3.bucket, page)).toBe(true);
  await ensureBuckets(s3, []);
  for (const bucket of [s3.bucket, sampleBucket]) expect(await mayRead(bucket, page)).toBe(false);
});
