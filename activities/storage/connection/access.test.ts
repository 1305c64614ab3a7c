import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../../test/harness/fault-proxy.ts';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { createStorage, type Storage, type StorageOptions } from '../index.ts';

/** What a store says about the platform's own access is told as that, also where a HEAD's answer has no name for it. */

const text = { contentType: 'text/plain' };
const coded = (code: string, message = '') =>
  expect.objectContaining({ name: 'StorageError', code, message: expect.stringContaining(message) });

let s3: TestS3;
let proxy: FaultProxy;
let scratch: string;
const open: Storage[] = [];
function storageWith(options: Partial<StorageOptions> = {}): Storage {
  const storage = createStorage({
    ...s3,
    endpoint: proxy.endpoint,
    forcePathStyle: true,
    maxAttempts: 1,
    ...options,
  });
  open.push(storage);
  return storage;
}

beforeAll(async () => {
  s3 = await startS3();
  proxy = await startFaultProxy(s3.endpoint);
  scratch = await mkdtemp(join(tmpdir(), 'darkroom-access-'));
});
beforeEach(() => proxy.clear());
afterEach(() => {
  for (const storage of open.splice(0)) storage.close();
  vi.unstubAllEnvs();
});
afterAll(async () => {
  await proxy?.stop();
  await s3?.stop();
  if (scratch) await rm(scratch, { recursive: true });
});

// Status and name as AWS answers: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
const refusals = [
  [400, 'ExpiredToken', 'have expired'],
  [400, 'InvalidToken', 'does not know the keys'],
  [403, 'InvalidAccessKeyId', 'does not know the keys'],
  [403, 'SignatureDoesNotMatch', 'does not know the keys'],
  [403, 'RequestTimeTooSkewed', 'clock is wrong'],
  [301, 'PermanentRedirect', 'another region'],
  [400, 'AuthorizationHeaderMalformed', 'another region'],
] as const;

describe.each(refusals)('a store that answers %i %s', (status, code, told) => {
  it('does not accept the platform, whatever is asked of whichever bucket', async () => {
    const storage = storageWith();
    const fault = { kind: 'status', status, code } as const;
    proxy.inject({ times: 99, fault });
    const refused = coded('platform_access', told);
    await expect(storage.head('s3://somebodys/photo.jpg')).rejects.toThrow(refused);
    await expect(storage.getBytes('s3://somebodys/photo.jpg', { maxBytes: 9 })).rejects.toThrow(refused);
    await expect(storage.putBytes('own', Buffer.from('x'), text)).rejects.toThrow(refused);
    await expect(storage.ping()).rejects.toThrow(refused);
    await expect(storage.head('own')).rejects.toThrow(expect.objectContaining({ retryable: true }));
  });
});

it('a right that lacks is the platform’s matter in its own bucket, and of whoever keeps it in another', async () => {
  const storage = storageWith();
  proxy.inject({ times: 99, fault: { kind: 'status', status: 403, code: 'AccessDenied' } });
  await expect(storage.head('own')).rejects.toThrow(coded('platform_access', 'lacks a right'));
  await expect(storage.putBytes('own', Buffer.from('x'), text)).rejects.toThrow(coded('platform_access'));
  await expect(storage.head('s3://somebodys/photo.jpg')).rejects.toThrow(
    coded('access_denied', 'AccessDenied'),
  );
  await expect(storage.getBytes('s3://somebodys/x', { maxBytes: 9 })).rejects.toThrow(coded('access_denied'));
});

it('wrong keys are found out by a real server too, and a bucket that is not there', async () => {
  const stranger = storageWith({ secretAccessKey: 'wrong' });
  await expect(stranger.head('one/small')).rejects.toThrow(coded('platform_access', 'SignatureDoesNotMatch'));
  const lost = storageWith({ bucket: 'nowhere' });
  await expect(lost.putBytes('x', Buffer.from('x'), text)).rejects.toThrow(
    coded('platform_access', 'bucket does not exist'),
  );
});

describe('keys', () => {
  const auth = () => proxy.seen.at(-1)?.headers ?? {};

  it('may be temporary ones: their token goes with each request and each link', async () => {
    proxy.inject({ times: 1, fault: { kind: 'status', status: 400, code: 'InvalidToken' } });
    const storage = storageWith({ sessionToken: 'a-session-token' });
    await storage.getBytes('x', { maxBytes: 9 }).catch(() => {});
    expect(auth()['x-amz-security-token']).toBe('a-session-token');
    expect(await storage.linkTo('x', { expiresInSeconds: 60 })).toContain(
      'X-Amz-Security-Token=a-session-token',
    );
  });

  it('are those of a profile, with its region, where none are given', async () => {
    const [credentials, config] = [join(scratch, 'credentials'), join(scratch, 'config')];
    await writeFile(
      credentials,
      '[lab]\naws_access_key_id = AKLAB\naws_secret_access_key = secret\naws_session_token = lab-token\n',
    );
    await writeFile(config, '[profile lab]\nregion = eu-central-1\n');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', credentials);
    vi.stubEnv('AWS_CONFIG_FILE', config);
    vi.stubEnv('AWS_PROFILE', 'lab');
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION', 'AWS_SESSION_TOKEN'])
      vi.stubEnv(name, undefined);
    proxy.inject({ times: 1, fault: { kind: 'status', status: 404, code: 'NoSuchKey' } });
    const storage = storageWith({ accessKeyId: undefined, secretAccessKey: undefined, region: undefined });
    await expect(storage.getBytes('x', { maxBytes: 9 })).rejects.toThrow(coded('source_not_found'));
    expect(auth().authorization).toMatch(/Credential=AKLAB\/\d+\/eu-central-1\/s3\//);
    expect(auth()['x-amz-security-token']).toBe('lab-token');
  });

  it('that are nowhere are told as that', async () => {
    vi.stubEnv('AWS_PROFILE', 'no-such-profile');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    const storage = storageWith({ accessKeyId: undefined, secretAccessKey: undefined });
    await expect(storage.head('x')).rejects.toThrow(coded('platform_access', 'No keys were found'));
    const upload = { uri: 's3://own/x', uploadId: 'u', size: 1, partSize: 1, partCount: 1 };
    const link = { expiresInSeconds: 60 };
    await expect(storage.linkTo('x', link)).rejects.toThrow(coded('platform_access'));
    await expect(storage.partLinks(upload, [1], link)).rejects.toThrow(coded('platform_access'));
    expect(proxy.requests).toEqual([]);
  });
});
