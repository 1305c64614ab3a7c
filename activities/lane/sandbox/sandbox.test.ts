import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sandboxLacks } from '@darkroom/contract/sandbox.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lane, laneBuild, openLane } from '../index.ts';
import { hostileShape } from '../testing/hostile.ts';
import { ENOSYS, EPERM, openKernel } from './kernel.ts';
import { landlockVersion } from './landlock.ts';
import { SandboxLacking } from './report.ts';

const ENOENT = 2;
const EACCES = 13;
const AT_FDCWD = -100;
const O_RDWR = 2;
const O_CREAT = 0o100;
const SIGCHLD = 17;
const SIGKILL = 9;
const worker = process.pid;

// What the system has is asked of the system, not of what is tested: what is there must be used. Only on a kernel without Landlock, or on
// one that is not Linux, are the tests left out that rest on it.
const kernel = openKernel();
const landlock = 'reason' in kernel ? 0 : landlockVersion(kernel);
const isLinux = process.platform === 'linux';

const folder = mkdtempSync(join(tmpdir(), 'lane-'));
const file = join(folder, 'precious');
chmodSync(folder, 0o777);
writeFileSync(file, 'precious', { mode: 0o666 });
const server = createServer((socket) => socket.destroy());
let connections = 0;
server.on('connection', () => connections++);

const build = laneBuild({
  name: 'hostile',
  shape: hostileShape,
  main: new URL('../testing/hostile-main.ts', import.meta.url),
  reads: [folder],
  memoryBytes: 400e6,
  stallSeconds: 60,
  environment: { GIVEN: 'yes' },
});

let lane: Lane<typeof hostileShape>;
let port: number;
beforeAll(async () => {
  lane = await openLane(build, {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(async () => {
  await lane?.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const call = async (name: string, args: (number | string)[], thread = false) =>
  (await lane.ask('call', { params: { name, args, thread } })).result.returned;
const node = async (what: 'read' | 'run' | 'tcp' | 'udp' | 'signal', of: string) =>
  (await lane.ask('node', { params: { what, of } })).result.code;

describe.runIf(isLinux)('the sandbox', () => {
  it('is all that this system gives', () => {
    expect(kernel).not.toHaveProperty('reason');
    const seccomp = /^Seccomp:/m.test(readFileSync('/proc/self/status', 'latin1'));
    expect(lane.sandbox).toMatchObject({ landlock, seccomp, capabilities: true, limits: true });
    if (process.getuid?.() === 0) expect(lane.sandbox).toMatchObject({ user: true });
    if (landlock >= 6 && seccomp) expect(sandboxLacks(lane.sandbox)).toEqual([]);
  });

  it('is told by what is missing, and refused where it is required', async () => {
    const off = await openLane({ ...build, sandbox: 'off' }, {});
    expect(off.sandbox.missing).toEqual(['anything (SANDBOX=off)']);
    await off.close();
    expect(() => {
      throw new SandboxLacking(off.sandbox);
    }).toThrow(/lacks Landlock, seccomp/);
    if (sandboxLacks(lane.sandbox).length === 0)
      await (await openLane({ ...build, sandbox: 'required' }, {})).close();
    else await expect(openLane({ ...build, sandbox: 'required' }, {})).rejects.toThrow(SandboxLacking);
  });
});

it.runIf(isLinux && process.getuid?.() === 0)(
  'keeps its user where others may not go where it is to read, and says so',
  async () => {
    const closed = mkdtempSync(join(tmpdir(), 'darkroom-closed-'));
    writeFileSync(join(closed, 'open'), 'x', { mode: 0o644 });
    const own = await openLane({ ...build, reads: [join(closed, 'open')] }, {});
    expect(own.sandbox.user).toBe(false);
    expect(own.sandbox.missing.join()).toContain('is not readable to others');
    await own.close();
    rmSync(closed, { recursive: true });
  },
);

describe.runIf(isLinux && landlock > 0)('native code in a lane', () => {
  it.each([
    ['/etc/passwd', 0],
    [`/proc/${worker}/environ`, 0],
    [`/proc/${worker}/mem`, O_RDWR],
    ['/', 0],
    [fileURLToPath(new URL('../../../.darkroom', import.meta.url)), 0],
    ['/proc/self/root/etc/passwd', 0],
    [`${folder}/../../etc/passwd`, 0],
  ])('cannot open %s', async (path, flags) => {
    expect(await call('openat', [AT_FDCWD, path, flags, 0])).toBe(existsSync(path) ? -EACCES : -ENOENT);
  });

  it('reads what it was given, and cannot write, make, or take away', async () => {
    expect(await call('openat', [AT_FDCWD, file, 0, 0])).toBeGreaterThan(0);
    const made = join(folder, 'made');
    const before = statSync(file);
    const attempts: [string, (number | string)[]][] = [
      ['openat', [AT_FDCWD, file, O_RDWR, 0]],
      ['openat', [AT_FDCWD, made, O_RDWR | O_CREAT, 0o600]],
      ['unlinkat', [AT_FDCWD, file, 0]],
      ['mkdirat', [AT_FDCWD, made, 0o700]],
      ['linkat', [AT_FDCWD, file, AT_FDCWD, made, 0]],
      ['symlinkat', [file, AT_FDCWD, made]],
      ['renameat2', [AT_FDCWD, file, AT_FDCWD, made, 0]],
    ];
    // A link to what is another's is refused before Landlock is asked.
    for (const [name, args] of attempts)
      expect([name, await call(name, args)]).toEqual([
        name,
        name === 'linkat' ? expect.toBeOneOf([-EACCES, -EPERM]) : -EACCES,
      ]);
    const unseen: [string, (number | string)[]][] = [
      ['truncate', [file, 0]],
      ['fchmodat', [AT_FDCWD, file, 0]],
      ['fchownat', [AT_FDCWD, file, 0, 0, 0]],
      ['utimensat', [AT_FDCWD, file, 0, 0]],
      ['mknodat', [AT_FDCWD, made, 0o10600, 0]],
    ];
    for (const [name, args] of unseen) expect([name, await call(name, args)]).toEqual([name, -EPERM]);
    expect(existsSync(made)).toBe(false);
    expect(statSync(file)).toMatchObject({ size: before.size, mode: before.mode, mtimeMs: before.mtimeMs });
  });

  it.each<[string, (number | string)[], number?]>([
    ['execve', [process.execPath, 0, 0]],
    ['execveat', [AT_FDCWD, '/bin/true', 0, 0, 0]],
    ['clone', [SIGCHLD, 0, 0, 0, 0]],
    ['clone3', ['', 88], ENOSYS],
    ['socket', [2, 1, 0]],
    ['socket', [2, 2, 0]],
    ['socket', [1, 1, 0]],
    ['socketpair', [1, 1, 0, '        ']],
    ['connect', [0, '', 0]],
    ['sendto', [4, 'x', 1, 0, 0, 0]],
    ['kill', [worker, 0]],
    ['kill', [worker, SIGKILL]],
    ['kill', [0, 0]],
    ['kill', [-1, 0]],
    ['tgkill', [worker, worker, SIGKILL]],
    ['pidfd_open', [worker, 0]],
    ['ptrace', [16, worker, 0, 0]],
    ['process_vm_readv', [worker, 0, 0, 0, 0, 0]],
    ['prlimit64', [worker, 4, 0, 0]],
    ['setpriority', [0, worker, 19]],
    ['unshare', [0x10000000]],
    ['mount', ['none', '/', 'tmpfs', 0, 0]],
    ['io_uring_setup', [8, '']],
    ['bpf', [0, '', 0]],
    ['keyctl', [0, 0]],
    ['userfaultfd', [0]],
    ['setresuid', [0, 0, 0]],
    // Or it would outlive its worker.
    ['prctl', [1, 0, 0, 0, 0]],
  ])('is refused %s %j', async (name, args, errno = EPERM) => {
    expect(await call(name, args)).toBe(-errno);
  });

  it('is held in threads that it starts as well', async () => {
    expect(await call('openat', [AT_FDCWD, '/etc/passwd', 0, 0], true)).toBe(-EACCES);
    expect(await call('socket', [2, 1, 0], true)).toBe(-EPERM);
    expect(await call('execve', [process.execPath, 0, 0], true)).toBe(-EPERM);
  });

  it('learns no more through Node', async () => {
    expect(await node('read', '/etc/passwd')).toBe('EACCES');
    expect(await node('run', process.execPath)).toBe('EPERM');
    expect(await node('signal', String(worker))).toBe('EPERM');
    expect(await node('tcp', String(port))).toBe('EPERM');
    expect(await node('udp', String(port))).toBe('EPERM');
    expect(connections).toBe(0);
  });

  it('has no capability, no environment but what was given, and no descriptor but its own', async () => {
    const { status, environment, environ, descriptors } = (await lane.ask('look', { params: {} })).result;
    for (const set of ['Inh', 'Prm', 'Eff', 'Amb'])
      expect(status).toMatch(new RegExp(`^Cap${set}:\\s+0+$`, 'm'));
    if (process.getuid?.() === 0) {
      expect(status).toMatch(/^CapBnd:\s+0+$/m);
      expect(status).not.toMatch(/^[UG]id:.*\t0(\t|$)/m);
      expect(status).toMatch(/^Groups:\s*$/m);
    }
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(environment).toEqual({ GIVEN: 'yes' });
    expect(environ).toBe('GIVEN=yes\0');
    const sockets = descriptors.filter((link) => link.startsWith('socket:'));
    // Its two pipes, and the one for its last words.
    expect(sockets).toHaveLength(3);
    const others = descriptors.filter(
      (link) => !/^(socket|pipe|anon_inode):|^\/dev\/null$/.test(link) && link !== file,
    );
    expect(others).toEqual([]);
  });
});
