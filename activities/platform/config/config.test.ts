import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from './config.ts';
import { envExample, envExamplePath } from './env-example.ts';
import { environment, notesOf } from './environment.ts';

const DATABASE_URL = 'postgres://darkroom:hidden@127.0.0.1:5432/darkroom';
const LINK_SECRET = 'x'.repeat(32);

function messageOf(env: NodeJS.ProcessEnv): string {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('The environment was taken.');
}

describe('what is absent', () => {
  test('has its default, and defaults follow one another', () => {
    const config = loadConfig({ DATABASE_URL, API_PORT: '9001', DARKROOM_HOME: '/data', LOG_LEVEL: ' ' });
    expect(config.mode).toBe('development');
    expect(config.api).toEqual({
      host: '127.0.0.1',
      port: 9001,
      publicUrl: 'http://localhost:9001',
      drainSeconds: 0,
      origins: [],
    });
    expect(config.log).toEqual({ level: 'info', dir: '/data/logs', access: '/data/logs/output.log' });
    expect(config.recognition.modelsDir).toBe('/data/models');
    expect(config.s3.forcePathStyle).toBe(false);
    expect(config.s3.accessKeyId).toBeUndefined();
    expect(config.queues).toContain('recognition');
    expect(config.limits.uploadBytes).toBe(209_715_200);
    expect(config.recognition.threads).toBeGreaterThanOrEqual(1);
  });

  test.each([
    [{}, 5, 15],
    [{ LANE_NICE: '0', BATCH_NICE: '4' }, 0, 4],
    [{ LANE_NICE: '12' }, 12, 19],
  ])('batches make way for the other work on pictures, %o', (env, nice, batchNice) => {
    const { lane, predictions } = loadConfig({ DATABASE_URL, ...env });
    expect([lane.nice, predictions.batchNice]).toEqual([nice, batchNice]);
  });

  test('an S3 server of one’s own is addressed by path, and is where links lead', () => {
    const { s3 } = loadConfig({ DATABASE_URL, S3_ENDPOINT: 'http://127.0.0.1:7070' });
    expect(s3.forcePathStyle).toBe(true);
    expect(s3.publicEndpoint).toBe('http://127.0.0.1:7070');
    const hosted = loadConfig({ DATABASE_URL, S3_ENDPOINT: 'http://s3.test', S3_FORCE_PATH_STYLE: 'false' });
    expect(hosted.s3.forcePathStyle).toBe(false);
  });

  test.each([
    [{}, 'us-east-1'],
    [{ AWS_REGION: 'eu-west-1' }, 'eu-west-1'],
    [{ AWS_REGION: 'eu-west-1', S3_REGION: 'eu-north-1', AWS_PROFILE: 'lab' }, 'eu-north-1'],
    // The profile's own, which the AWS SDK knows.
    [{ AWS_PROFILE: 'lab' }, undefined],
  ])('the region of S3, where this is told of it: %o', (env, region) => {
    expect(loadConfig({ DATABASE_URL, ...env }).s3.region).toBe(region);
  });

  test('keys of S3 may be temporary, with their token', () => {
    const keys = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
    expect(loadConfig({ DATABASE_URL, ...keys, AWS_SESSION_TOKEN: 'token' }).s3).toMatchObject({
      accessKeyId: 'key',
      secretAccessKey: 'secret',
      sessionToken: 'token',
    });
  });

  test('the development secret is the same for the same stack only', () => {
    const secret = (url: string) => loadConfig({ DATABASE_URL: url }).links.secret;
    expect(secret(DATABASE_URL)).toBe(secret(DATABASE_URL));
    expect(secret(DATABASE_URL)).not.toBe(secret(`${DATABASE_URL}2`));
  });
});

describe('what is wrong', () => {
  test('is reported at once, with an example and without secrets', () => {
    const message = messageOf({
      API_PORT: '99999',
      LIMIT_UPLOAD_BYTES: 'many',
      LINK_SECRET: 'too short',
      DARKROOM_QEUES: 'light',
      AWS_ACCESS_KEY_ID: 'AKIA',
      DARKROOM_QUEUES: 'light,heavy',
    });
    expect(message).toContain('(7 problems)');
    expect(message).toMatch(/API_PORT is "99999": .*Example: API_PORT=8000/);
    expect(message).toMatch(/LIMIT_UPLOAD_BYTES is "many": expected a whole number/);
    expect(message).toMatch(/LINK_SECRET is not valid: expected at least 32 characters/);
    expect(message).not.toContain('too short');
    expect(message).toMatch(/DATABASE_URL is missing\. .*Example: DATABASE_URL=postgres:/);
    expect(message).toContain('DARKROOM_QEUES is not known. Did you mean DARKROOM_QUEUES?');
    expect(message).toMatch(/DARKROOM_QUEUES \(at 1\) is "light,heavy"/);
    expect(message).toContain('AWS_SECRET_ACCESS_KEY is missing');
  });

  test('a server whose URL has a password is not printed', () => {
    expect(messageOf({ DATABASE_URL: 'mysql://root:hidden@db' })).not.toContain('hidden');
  });

  test.each([
    ['no JSON', 'everyone', 'expected JSON'],
    ['nobody named', '[{"prefix":"s3://a/","access":"read"}]', 'expected one of owner, group, everyone'],
    ['an unknown field', '[{"to":"*","everyone":true,"prefix":"s3://a/","access":"read"}]', '"to"'],
    ['no prefix in S3', '[{"everyone":true,"prefix":"/etc","access":"read"}]', 's3://bucket/prefix/'],
  ])('grants: %s', (_, DARKROOM_GRANTS, reason) => {
    expect(messageOf({ DATABASE_URL, DARKROOM_GRANTS })).toContain(reason);
  });

  test.each([
    ['nobody named', '[{"path":"/data"}]', 'expected one of owner, group, everyone'],
    ['a relative path', '[{"everyone":true,"path":"data"}]', 'expected an absolute path'],
    ['all of the machine', '[{"everyone":true,"path":"/"}]', 'expected an absolute path'],
    ['a path that walks up', '[{"everyone":true,"path":"/data/../etc"}]', 'expected an absolute path'],
    ['an owner within a name', '[{"everyone":true,"path":"/data/u-{owner}"}]', 'as a whole folder'],
  ])('directories of delivery: %s', (_, DELIVERY_DIRECTORIES, reason) => {
    expect(messageOf({ DATABASE_URL, DELIVERY_DIRECTORIES })).toContain(reason);
  });

  test('directories of delivery that are right are taken, without their closing slash', () => {
    const DELIVERY_DIRECTORIES = '[{"everyone":true,"path":"/home/{owner}/"}]';
    expect(loadConfig({ DATABASE_URL, DELIVERY_DIRECTORIES }).deliveryDirectories).toEqual([
      { everyone: true, path: '/home/{owner}' },
    ]);
  });

  test.each([
    ['toy', 'expected name=value'],
    ['toy=1=2', 'expected name=value'],
    ['=3', 'expected name=value'],
    ['toy=soon', 'toy'],
    ['toy=0', 'toy'],
  ])('days by kind: %s', (RETENTION_DAYS, reason) => {
    expect(messageOf({ DATABASE_URL, RETENTION_DAYS })).toMatch(new RegExp(`RETENTION_DAYS.*${reason}`));
  });

  test('grants that are right are taken', () => {
    const grants = [{ everyone: true, prefix: 's3://samples/', access: 'read' }];
    expect(loadConfig({ DATABASE_URL, DARKROOM_GRANTS: JSON.stringify(grants) }).grants).toEqual(grants);
  });
});

describe('pages elsewhere', () => {
  test('are named by their origin', () => {
    const CORS_ORIGINS = 'https://a.example.org, http://localhost:5173';
    const { origins } = loadConfig({ DATABASE_URL, CORS_ORIGINS }).api;
    expect(origins).toEqual(['https://a.example.org', 'http://localhost:5173']);
    expect(loadConfig({ DATABASE_URL, CORS_ORIGINS: '*' }).api.origins).toEqual(['*']);
  });

  test.each(['https://a.example.org/', 'a.example.org', 'https://a.example.org,', 'HTTPS://a.example.org'])(
    'and by nothing else: %s',
    (CORS_ORIGINS) => {
      expect(messageOf({ DATABASE_URL, CORS_ORIGINS })).toContain('expected origins such as');
    },
  );
});

describe('production', () => {
  test.each([{ DARKROOM_MODE: 'production' }, { NODE_ENV: 'production' }])(
    '%o: no secret has a default',
    (mode) => {
      expect(messageOf({ ...mode, DATABASE_URL })).toContain('LINK_SECRET is missing');
      const message = messageOf({ ...mode });
      expect(message).toContain('LINK_SECRET is missing');
      expect(message).toContain('DATABASE_URL is missing');
      expect(loadConfig({ ...mode, DATABASE_URL, LINK_SECRET }).links.secret).toBe(LINK_SECRET);
    },
  );

  test.each([
    { API_HOST: '0.0.0.0' },
    { API_HOST: '::' },
    { API_HOST: '192.168.1.7' },
    { PUBLIC_URL: 'https://darkroom.example.org' },
  ])('nor has it where others can reach the API: %o', (reachable) => {
    const message = messageOf({ ...reachable, DATABASE_URL });
    expect(message).toContain('LINK_SECRET is missing');
    expect(message).toContain('openssl rand -hex 32');
    expect(loadConfig({ ...reachable, DATABASE_URL, LINK_SECRET }).links.secret).toBe(LINK_SECRET);
  });

  test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('on loopback there is one: %s', (API_HOST) => {
    const config = loadConfig({ API_HOST, PUBLIC_URL: 'http://[::1]:8000', DATABASE_URL });
    expect(config.links.secret).toMatch(/^[\da-f]{64}$/);
  });

  test('refuses failpoints', () => {
    const DARKROOM_FAILPOINTS = '{"points":{}}';
    expect(loadConfig({ DATABASE_URL, DARKROOM_FAILPOINTS }).mode).toBe('development');
    expect(
      messageOf({ DATABASE_URL, DARKROOM_FAILPOINTS, LINK_SECRET, DARKROOM_MODE: 'production' }),
    ).toContain('failpoints are refused in production');
  });
});

describe('.env.example', () => {
  test('is up to date: `node activities/platform/config/env-example.ts` writes it', async () => {
    expect(await readFile(envExamplePath, 'utf8')).toBe(envExample());
  });

  test('names every variable, and its examples are valid', () => {
    const text = envExample();
    for (const [name, schema] of Object.entries(environment.shape)) {
      expect(text).toContain(`\n#${name}=`);
      const { example } = notesOf(schema);
      if (!example.startsWith('<')) expect(schema.safeParse(example), name).toMatchObject({ success: true });
    }
  });
});
