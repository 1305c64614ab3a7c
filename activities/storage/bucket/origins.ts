import { DeleteBucketCorsCommand, PutBucketCorsCommand } from '@aws-sdk/client-s3';
import { attempt, type Connection } from '../connection/client.ts';

/** What a page needs to read by link, in pieces too, and to send the parts of an upload. */
const rule = {
  AllowedMethods: ['GET', 'HEAD', 'PUT'],
  AllowedHeaders: ['*'],
  ExposeHeaders: [
    'ETag',
    'Content-Length',
    'Content-Range',
    'Content-Disposition',
    'Accept-Ranges',
    'Last-Modified',
  ],
  MaxAgeSeconds: 7200,
};

/**
 * Lets pages of these origins (`*` for all) use the links into the platform's bucket; none takes the permission back. Replaces the
 * bucket's rules, so it is for a bucket that nobody else configures. Throws StorageError.
 */
export async function allowOrigins(
  s3: Connection,
  origins: readonly string[],
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const Bucket = s3.bucket;
  await attempt(s3, `s3://${Bucket}/`, options.signal, async (o) => {
    if (origins.length === 0) return void (await s3.client.send(new DeleteBucketCorsCommand({ Bucket }), o));
    const CORSConfiguration = { CORSRules: [{ ...rule, AllowedOrigins: [...origins] }] };
    await s3.client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration }), o);
  });
}
