import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeForsaken } from './forsaken.ts';
import { homeFolder, layoutOf } from './layout.ts';
import { findOrphans } from './orphans.ts';
import { accepts } from './postgres.ts';
import { answers } from './s3.ts';
import { ensureSecrets } from './secrets.ts';
import { readStack } from './stackfile.ts';
import { type RunningStack, startStack } from './supervisor.ts';
import { searchAttributes } from './temporal.ts';
import { silent } from './terminal.ts';
import { ensureProgram, findTool, temporalTool } from './toolchain.ts';

const run = promisify(execFile);
const env = { PATH: process.env.PATH, HOME: process.env.HOME };
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

  it('ask for a password', async () => {
    const url = new URL(stack.stack.postgres);
    url.password = 'guess';
    await expect(accepts(url.href)).rejects.toThrow('password authentication failed');
  });

  it('know the search attributes', async () => {
    const origin = await findTool(temporalTool, stack.layout.tools, env);
    if (origin.kind === 'address') throw new Error('the stack started its own server');
    const program = await ensureProgram(temporalTool, origin, silent);
    const { address } = stack.stack.temporal;
    const { stdout } = await run(program, ['operator', 'search-attribute', 'list', '--address', address]);
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

  it('are not fought over by a second stack', async () => {
    await expect(startStack(options())).rejects.toThrow(`(pid ${process.pid})`);
  });

  it('are left alone by the removal of forsaken stacks while somebody keeps them', async () => {
    expect(await removeForsaken(folder)).toBe(0);
    await accepts(stack.stack.postgres);
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
      const { silent } = await import(${JSON.stringify(new URL('./terminal.ts', import.meta.url).href)});
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
