import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProblemCode } from '@darkroom/contract';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StorageError } from '../connection/errors.ts';
import { requireTarget } from './place.ts';
import { grantedTarget } from './target.ts';

const config = {
  grants: [
    { owner: 'ada', prefix: 's3://theirs/ada/', access: 'read-write' as const },
    { everyone: true as const, prefix: 's3://theirs/read/', access: 'read' as const },
    { everyone: true as const, prefix: 's3://darkroom/', access: 'read-write' as const },
  ],
  deliveryDirectories: [
    { everyone: true as const, path: '/home/{owner}' },
    { group: 'lab', path: '/data/lab' },
    { owner: 'bo', path: '/data/{owner}/out' },
  ],
  home: '/var/lib/darkroom',
  s3: { bucket: 'darkroom' },
};

const ada = { owner: 'ada', group: null };
const codeFor = (uri: string, who: Parameters<typeof grantedTarget>[1] = ada): ProblemCode | undefined => {
  try {
    grantedTarget(uri, who, config);
    return undefined;
  } catch (error) {
    return (error as { code: ProblemCode }).code;
  }
};

describe('a target is granted by its name', () => {
  test.each([
    ['s3://theirs/ada/', ada],
    ['s3://theirs/ada/run 1/a+b/', ada],
    ['file:///home/ada/', ada],
    ['file:///home/ada/cut%20outs/ä/', ada],
    ['file:///data/lab/', { owner: 'ada', group: 'lab' }],
    ['file:///data/lab/x/', { owner: 'ada', group: 'lab' }],
    ['file:///data/bo/out/x/', { owner: 'bo', group: null }],
    ['file:///home/a.b@c-d_1+x/', { owner: 'a.b@c-d_1+x', group: null }],
  ])('%s', (uri, who) => {
    expect(codeFor(uri, who)).toBeUndefined();
  });

  test.each([
    ['s3://theirs/bo/', ada],
    ['s3://theirs/', ada],
    ['s3://theirs/adam/', ada],
    ['s3://theirs/read/', ada],
    ['s3://theirs/ada/', { owner: 'bo', group: null }],
    // The platform's own bucket, whatever was granted.
    ['s3://darkroom/', ada],
    ['s3://darkroom/results/', ada],
    ['file:///home/bo/', ada],
    ['file:///home/', ada],
    ['file:///', ada],
    ['file:///home/adam/', ada],
    ['file:///data/lab/', ada],
    ['file:///data/lab/', { owner: 'ada', group: 'other' }],
    ['file:///data/bo/', { owner: 'bo', group: null }],
    ['file:///data/ada/out/', ada],
    ['file:///home/{owner}/', ada],
    // Owners that are no plain names of folders.
    ['file:///home/../', { owner: '..', group: null }],
    ['file:///home/.ssh/', { owner: '.ssh', group: null }],
    ['file:///home/a/b/', { owner: 'a/b', group: null }],
    ['file:///home/a b/', { owner: 'a b', group: null }],
  ])('%s is refused', (uri, who) => {
    expect(codeFor(uri, who)).toMatch(/^(target_not_granted|validation_failed)$/);
  });

  test.each([
    's3://theirs/ada',
    's3://theirs/ada/../bo/',
    's3://theirs/ada//x/',
    `s3://theirs/ada/${'x'.repeat(600)}/`,
    'file:///home/ada',
    'file://home/ada/',
    'file:/home/ada/',
    'file://localhost/home/ada/',
    'file:home/ada/',
    'file:///home/ada/../bo/',
    'file:///home/ada/%2e%2e/bo/',
    'file:///home/ada/%2E./',
    'file:///home/ada/..%2fbo/',
    'file:///home/ada/.%2e/',
    'file:///home//ada/',
    'file:///home/ada/./',
    'file:///home/ada/%00/',
    'file:///home/ada/a\nb/',
    'file:///home/ada/%zz/',
    'file:///home/ada/%ff/',
    'file:///home/ada/x?y/',
    'file:///home/ada/x#y/',
    'file:///home/ada\\..\\bo/',
    `file:///home/ada/${'x'.repeat(256)}/`,
    '/home/ada/',
    'home/ada/',
    'https://theirs/ada/',
    '',
  ])('%j is not read as one', (uri) => {
    expect(codeFor(uri)).toBe('validation_failed');
  });

  test('whatever is asked for lies in a directory of one’s own', () => {
    const pieces = fc.array(
      fc.constantFrom('..', '.', '', 'ada', 'bo', 'home', 'data', '%2e%2e', '%2f', '/', 'x', '\\', '{owner}'),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(pieces, (segments) => {
        const uri = `file:///${segments.join('/')}/`;
        if (codeFor(uri) !== undefined) return;
        const target = grantedTarget(uri, ada, config);
        if (target.kind !== 'directory') throw new Error('It is no directory.');
        expect(target.root).toBe('/home');
        expect(target.below[0]).toBe('ada');
        for (const name of target.below) expect(name).not.toMatch(/^\.{0,2}$|[/\0]/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('at the request', () => {
  let home: string;
  beforeAll(async () => {
    home = await realpath(await mkdtemp(join(tmpdir(), 'darkroom-target-')));
    await mkdir(join(home, 'users/ada/out'), { recursive: true });
    await mkdir(join(home, 'platform/data'), { recursive: true });
    await writeFile(join(home, 'users/ada/file'), '');
    await symlink('/etc', join(home, 'users/ada/link'));
    await symlink(join(home, 'users/ada/out'), join(home, 'users/ada/within'));
    // The operator's own link.
    await symlink(join(home, 'users'), join(home, 'linked'));
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  const ask = (uri: string, list: () => AsyncGenerator<never> = empty) => {
    const deliveryDirectories = [
      ...['users', 'linked', 'gone'].map((name) => ({
        everyone: true as const,
        path: `${home}/${name}/{owner}`,
      })),
      { everyone: true as const, path: `${home}/platform` },
    ];
    const here = { ...config, deliveryDirectories, home: `${home}/platform` };
    return requireTarget(uri, ada, here, { list });
  };
  async function* empty(): AsyncGenerator<never> {}
  const denied = (code: ConstructorParameters<typeof StorageError>[0]) =>
    async function* (): AsyncGenerator<never> {
      yield await Promise.reject(new StorageError(code, 'The store says no.'));
    };

  test('a folder that can be written to is taken, through the operator’s links too', async () => {
    await ask(`file://${home}/users/ada/out/`);
    await ask(`file://${home}/linked/ada/out/`);
  });

  test('a directory that this machine does not have may be one of the workers', async () => {
    await ask(`file://${home}/gone/ada/out/`);
  });

  test.each([
    ['none', 'target_unusable', 'does not exist'],
    ['file', 'target_unusable', 'is not a directory'],
    ['file/x', 'target_unusable', 'is not a directory'],
    ['link', 'target_not_granted', 'symbolic link'],
    ['link/ssl', 'target_not_granted', 'symbolic link'],
    ['within', 'target_not_granted', 'symbolic link'],
  ])('%s is refused', async (path, code, said) => {
    const refused = { code, message: expect.stringContaining(said) };
    await expect(ask(`file://${home}/users/ada/${path}/`)).rejects.toMatchObject(refused);
  });

  test('the platform’s own folder is refused, though it was allowed', async () => {
    const refused = { code: 'target_not_granted', message: expect.stringContaining('platform') };
    await expect(ask(`file://${home}/platform/data/`)).rejects.toMatchObject(refused);
  });

  test('a bucket that is not there, or not the platform’s to see, is told as such; a store that is away is not', async () => {
    const uri = 's3://theirs/ada/';
    await ask(uri);
    await expect(ask(uri, denied('source_not_found'))).rejects.toMatchObject({ code: 'target_unusable' });
    await expect(ask(uri, denied('access_denied'))).rejects.toMatchObject({ code: 'target_unusable' });
    await expect(ask(uri, denied('storage_unavailable'))).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
  });
});
