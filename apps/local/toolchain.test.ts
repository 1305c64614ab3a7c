import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silent } from './terminal.ts';
import { ensureProgram, findTool, pinnedVersion, readPin, temporalTool, versitygwTool } from './toolchain.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom tools '));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function program(name: string, says: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\necho "${says}"\n`);
  await chmod(path, 0o755);
  return path;
}

describe('findTool', () => {
  it('takes an address before anything else', async () => {
    await program('temporal', 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)');
    const env = { PATH: folder, TEMPORAL_ADDRESS: 'temporal.example:7233' };
    expect(await findTool(temporalTool, folder, env)).toEqual({
      kind: 'address',
      address: 'temporal.example:7233',
    });
  });

  it('takes a program on the PATH before the module', async () => {
    const path = await program('versitygw', 'whatever');
    expect(await findTool(versitygwTool, folder, { PATH: folder })).toEqual({ kind: 'program', path });
  });

  it.each([
    'temporal version 1.4.9 (Server 1.28.0, UI 2.39.0)',
    'temporal version 0.13.2 (Server 1.24.2)',
    'nonsense',
  ])('passes over an older temporal: %s', async (says) => {
    await program('temporal', says);
    const notices: string[] = [];
    const found = await findTool(temporalTool, folder, { PATH: folder }, (line) => notices.push(line));
    expect(found.kind).toBe('module');
    expect(notices.join()).toContain('1.5 or later is needed');
  });

  it.each([
    'temporal version 1.5.0 (Server 1.29.0, UI 2.42.0)',
    'temporal version 2.0.0 (Server 1.40.0)',
    'temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)',
  ])('takes %s', async (says) => {
    const path = await program('temporal', says);
    expect(await findTool(temporalTool, folder, { PATH: folder })).toEqual({ kind: 'program', path });
  });

  it('falls back on the pinned module, and knows whether it is built', async () => {
    const path = join(folder, `versitygw-${await pinnedVersion(versitygwTool)}`);
    expect(await findTool(versitygwTool, folder, { PATH: '' })).toEqual({
      kind: 'module',
      path,
      built: false,
    });
    await program(`versitygw-${await pinnedVersion(versitygwTool)}`, '');
    expect(await findTool(versitygwTool, folder, { PATH: '' })).toEqual({
      kind: 'module',
      path,
      built: true,
    });
  });
});

describe('ensureProgram', () => {
  it('says in one line what to do where there is neither the program nor Go', async () => {
    const origin = { kind: 'module', path: join(folder, 'temporal-1'), built: false } as const;
    const failed = ensureProgram(temporalTool, origin, silent, { PATH: folder });
    await expect(failed).rejects.toThrow(/^temporal was not found.*Install Go.*TEMPORAL_ADDRESS[^\n]*$/);
  });
});

describe('readPin', () => {
  it('reads a version from a go.mod, in a block or by itself', () => {
    expect(readPin('require (\n\tgithub.com/a/b v1.2.3 // indirect\n)', 'github.com/a/b')).toBe('1.2.3');
    expect(readPin('require github.com/a/b v0.1.0', 'github.com/a/b')).toBe('0.1.0');
    expect(readPin('tool github.com/a/b/cmd', 'github.com/a/b')).toBeUndefined();
  });
});
