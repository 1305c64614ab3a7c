import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isMigrated, listKeys, migrate, openRecords } from '@darkroom/records';
import { temporalTool } from '@darkroom/servers/obtain/pins.mjs';
import { ensureProgram, findTool } from '@darkroom/servers/obtain/toolchain.mjs';
import { accepts } from '@darkroom/servers/run/postgres.ts';
import { answers } from '@darkroom/servers/run/s3.ts';
import { searchAttributes } from '@darkroom/servers/run/temporal.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeForsaken } from '../home/forsaken.ts';
import { homeFolder, layoutOf } from '../home/layout.ts';
import { findOrphans } from '../home/orphans.ts';
import { ensureSecrets } from '../home/secrets.ts';
import { readStack } from '../home/stackfile.ts';
import { silent } from '../terminal.ts';
import { type RunningStack, startStack } from './supervisor.ts';

const run = promisify(execFile);
/** Of somebody who also uses a Temporal elsewhere: a namespace, and a profile with a key in the home folder. */
const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, TEMPORAL_NAMESPACE: 'pictures' };
let folder: string;
let home: string;
let stack: RunningStack & { stop(hard?: boolean): Promise<void> };

const options = () =>
  ({ home, cache: homeFolder(), ports: 'free', parts: 'servers', terminal: silent, env }) as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom stack '));
  // As root the database runs as another user, who must get through.
  await chmod(folder, 0o711);
  home = join(folder, 'my home');
  env.HOME = join(folder, 'user');
  const profiles = join(env.HOME, '.config', 'temporalio');
  await mkdir(profiles, { recursive: true });
  await writeFile(
    join(profiles, 'temporal.toml'),
    '[profile.default]\naddress = "elsewhere.example:7233"\napi_key = "key"\n',
  );
  stack = await startStack(options());
}, 300_000);

afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function stackId(): Promise<string> {
  return (await ensureSecrets(layoutOf(home).secrets)).stack;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    if (tries > 200) throw new Error('it did not come to hold within 20 s');
    await sleep(100);
  }
}

describe('the servers of a stack', () => {
  it('serve, and stack.json tells where', async () => {
    const told = await readStack(layoutOf(home).stackFile);
    expect(told).toEqual(stack.stack);
    expect(Object.keys(told?.pids ?? {}).sort()).toEqual(['postgres', 's3', 'supervisor', 'temporal']);
    await accepts(stack.stack.postgres);
    await answers(`${stack.stack.s3.endpoint}/health`, AbortSignal.timeout(3000));
    await answers(stack.stack.temporal.ui, AbortSignal.timeout(3000));
  });

  it('of which Temporal keeps a write-ahead log, in a file of its version', async () => {
    expect(await readdir(stack.layout.temporal)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^temporal-1\.\d+\.db-wal$/)]),
    );
  });

  it('ask for a password', async () => {
    const url = new URL(stack.stack.postgres);
    url.password = 'guess';
    await expect(accepts(url.href)).rejects.toThrow('password authentication failed');
  });

  it('know the search attributes', async () => {
    const origin = await findTool(temporalTool, stack.layout.tools, env);
    if (origin.kind === 'address') throw new Error('the stack started its own server');
    const program = await ensureProgram(temporalTool, origin, silent);
    const { address, namespace } = stack.stack.temporal;
    const where = ['--address', address, '--namespace', namespace, '--disable-config-file'];
    const { stdout } = await run(program, ['operator', 'search-attribute', 'list', ...where]);
    for (const name of Object.keys(searchAttributes)) expect(stdout).toContain(name);
  });

  it('come back on their data when they are killed', async () => {
    const before = stack.stack.pids.postgres;
    if (!before) throw new Error('Postgres runs');
    process.kill(before, 'SIGKILL');
    await until(async () => {
      const { pids } = stack.stack;
      return (
        pids.postgres !== undefined &&
        pids.postgres !== before &&
        (await accepts(stack.stack.postgres).then(
          () => true,
          () => false,
        ))
      );
    });
    const { size } = await stat(join(stack.layout.logs, 'postgres.log'));
    expect(size).toBeGreaterThan(0);
  });

  it('stay under control where stack.json cannot be written, as on a full disk', async () => {
    const inTheWay = `${layoutOf(home).stackFile}.${process.pid}.tmp`;
    await mkdir(inTheWay);
    const before = stack.stack.pids.s3;
    if (!before) throw new Error('S3 runs');
    process.kill(before, 'SIGKILL');
    await until(async () => stack.stack.pids.s3 !== undefined && stack.stack.pids.s3 !== before);
    await rm(inTheWay, { recursive: true, force: true });
  });

  it('are not fought over by a second stack', async () => {
    await expect(startStack(options())).rejects.toThrow(`(pid ${process.pid})`);
  });

  it('are left alone by the removal of forsaken stacks while somebody keeps them', async () => {
    expect(await removeForsaken(folder)).toBe(0);
    await accepts(stack.stack.postgres);
  });

  it('do not start under a configuration that is wrong, and all that is wrong is said', async () => {
    const other = join(folder, 'wrong');
    const wrong = { ...env, LINK_TTL_SECONDS: 'soon', CORS_ORIGINS: 'nowhere' };
    const failed = startStack({ ...options(), home: other, parts: 'all', env: wrong });
    await expect(failed).rejects.toThrow(/2 problems[\s\S]*LINK_TTL_SECONDS|2 problems[\s\S]*CORS_ORIGINS/);
    expect(await readdir(layoutOf(other).logs)).toEqual([]);
    await rm(other, { recursive: true });
  });

  it('leave a database of the user as it is until they are asked to prepare it', async () => {
    const database = new URL(stack.stack.postgres);
    database.pathname = '/theirs';
    const records = openRecords({ url: stack.stack.postgres, pool: 1 });
    await records.db.execute('create database theirs');
    await records.close();
    const theirs = (prepare = false) => ({
      ...options(),
      home: join(folder, 'beside'),
      parts: 'all' as const,
      prepare,
      env: { ...env, DATABASE_URL: database.href },
    });
    const keys = async () => {
      const { db, close } = openRecords({ url: database.href, pool: 1 });
      return listKeys(db).finally(close);
    };
    await expect(startStack(theirs())).rejects.toThrow('--prepare');
    expect(await isMigrated(database.href)).toBe(false);

    await migrate(database.href);
    const beside = await startStack(theirs());
    try {
      expect(beside.stack.key).toBeUndefined();
      expect(await keys()).toEqual([]);
    } finally {
      await beside.stop();
      await rm(join(folder, 'beside'), { recursive: true });
    }

    const prepared = await startStack(theirs(true));
    try {
      expect(prepared.stack.key).toBeDefined();
      expect(await keys()).toMatchObject([{ role: 'admin' }]);
    } finally {
      await prepared.stop();
      await rm(join(folder, 'beside'), { recursive: true });
    }
  });

  it('leave a store of the user as it is until they are asked to prepare it, and say what cannot be reached', async () => {
    const { endpoint, accessKeyId, secretAccessKey } = stack.stack.s3;
    const theirs = {
      ...env,
      S3_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      S3_BUCKET: 'theirs',
    };
    const start = (more: NodeJS.ProcessEnv) =>
      startStack({ ...options(), home: join(folder, 'beside'), parts: 'all', env: { ...theirs, ...more } });
    await expect(start({})).rejects.toThrow(/no bucket "theirs".*--prepare/);
    const buckets = await readdir(stack.layout.s3);
    expect(buckets).not.toContain('theirs');
    const nobody = 'postgres://a:b@127.0.0.1:1/c';
    await expect(start({ DATABASE_URL: nobody })).rejects.toThrow(
      'The database of DATABASE_URL cannot be used',
    );
    await rm(join(folder, 'beside'), { recursive: true });
  });

  it('are all gone after the stop', async () => {
    const id = await stackId();
    expect(await findOrphans(id)).not.toEqual([]);
    await stack.stop();
    expect(await findOrphans(id)).toEqual([]);
    expect((await readStack(layoutOf(home).stackFile))?.pids).toEqual({});
    await expect(accepts(stack.stack.postgres)).rejects.toThrow('ECONNREFUSED');
  });

  it('that their keeper left are ended and removed', async () => {
    const script = `
      const { startStack } = await import(${JSON.stringify(new URL('./supervisor.ts', import.meta.url).href)});
      const { silent } = await import(${JSON.stringify(new URL('../terminal.ts', import.meta.url).href)});
      await startStack({ ...${JSON.stringify({ ...options(), terminal: undefined })}, terminal: silent });
      process.kill(process.pid, 'SIGKILL');
    `;
    await run(process.execPath, ['--input-type=module', '-e', script]).catch(() => {});
    const id = await stackId();
    expect((await findOrphans(id)).map(({ service }) => service)).toEqual(
      expect.arrayContaining(['postgres', 's3', 'temporal']),
    );
    expect(await removeForsaken(folder)).toBe(1);
    expect(await findOrphans(id)).toEqual([]);
    expect(existsSync(home)).toBe(false);
  });
});
