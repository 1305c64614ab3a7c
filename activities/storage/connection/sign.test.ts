import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connect, type StorageOptions } from './client.ts';
import { signedLink } from './sign.ts';

const keys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const stores: Readonly<Record<string, StorageOptions>> = {
  'of one’s own': {
    ...keys,
    endpoint: 'http://127.0.0.1:7070',
    region: 'us-east-1',
    bucket: 'darkroom',
    forcePathStyle: true,
  },
  'behind a path, with another public address': {
    ...keys,
    endpoint: 'http://127.0.0.1:7070',
    publicEndpoint: 'https://s3.example.org/store',
    region: 'eu-central-1',
    bucket: 'darkroom',
    forcePathStyle: true,
  },
  'AWS’ own': { ...keys, region: 'eu-west-3', bucket: 'dark.room', forcePathStyle: false },
  'AWS’ own, by host name': { ...keys, region: 'us-west-2', bucket: 'darkroom', forcePathStyle: false },
};

/** The parts of a link whose order says nothing. */
function partsOf(link: string): unknown {
  const { origin, pathname, searchParams } = new URL(link);
  // Which operation of the SDK made it: no store reads that, but it is signed.
  return [origin, pathname, [...searchParams].filter(([name]) => name !== 'X-Amz-Signature').sort()];
}

test.each(Object.entries(stores))(
  'links to a store %s are the SDK’s own, to the signature',
  async (_, options) => {
    const s3 = connect(options);
    const text = fc
      .string({ minLength: 1, maxLength: 30, unit: 'grapheme' })
      .filter((t) => !/^[./]|\/\/|\/\.|\/$/.test(t));
    await fc.assert(
      fc.asyncProperty(
        text,
        text,
        fc.integer({ min: 1, max: 604_800 }),
        fc.date({ min: new Date('2020-01-01'), max: new Date('2090-01-01'), noInvalidDate: true }),
        async (key, disposition, expiresIn, now) => {
          const command = new GetObjectCommand({
            Bucket: options.bucket,
            Key: key,
            ResponseContentDisposition: disposition,
          });
          const theirs = await getSignedUrl(s3.signer, command, { expiresIn, signingDate: now });
          const query = { 'response-content-disposition': disposition, 'x-id': 'GetObject' };
          const ours = await signedLink(s3, { bucket: options.bucket, key }, query, expiresIn, now);
          const signature = (link: string) => new URL(link).searchParams.get('X-Amz-Signature');
          expect(partsOf(ours)).toEqual(partsOf(theirs));
          expect(signature(ours)).toBe(signature(theirs));
        },
      ),
      { numRuns: 50 },
    );
    s3.close();
  },
);

test('a session’s token is part of what is signed', async () => {
  const s3 = connect(stores['of one’s own']!);
  s3.signer.config.credentials = async () => ({ ...keys, sessionToken: 'token/+=' });
  const now = new Date('2026-01-02T03:04:05Z');
  const command = new GetObjectCommand({ Bucket: 'darkroom', Key: 'a/b.jpg' });
  const theirs = await getSignedUrl(s3.signer, command, { expiresIn: 900, signingDate: now });
  const ours = await signedLink(
    s3,
    { bucket: 'darkroom', key: 'a/b.jpg' },
    { 'x-id': 'GetObject' },
    900,
    now,
  );
  expect(new URL(ours).searchParams.get('X-Amz-Signature')).toBe(
    new URL(theirs).searchParams.get('X-Amz-Signature'),
  );
  expect(partsOf(ours)).toEqual(partsOf(theirs));
  s3.close();
});
