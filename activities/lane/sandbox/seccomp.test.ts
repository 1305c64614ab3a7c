import { describe, expect, it } from 'vitest';
import { type CallName, LAST_CALL, numberOf, refusedCalls } from './calls.ts';
import { seccompProgram } from './seccomp.ts';

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const ERRNO = 0x50000;
const EPERM = 1;
const ENOSYS = 38;
const machines = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;

/** What the program says of a call: the few instructions that it is made of, as the kernel runs them. */
function run(program: Buffer, machine: number, call: number, argument = 0): number {
  const data = new Map([
    [0, call],
    [4, machine],
    [16, argument],
  ]);
  for (let at = 0, loaded = 0; ; at += 8) {
    const code = program.readUInt16LE(at);
    const value = program.readUInt32LE(at + 4);
    const jump = (holds: boolean) => (at += 8 * program.readUInt8(at + (holds ? 2 : 3)));
    if (code === 0x06) return value;
    if (code === 0x20) loaded = data.get(value) ?? Number.NaN;
    else if (code === 0x15) jump(loaded === value);
    else if (code === 0x35) jump(loaded >= value);
    else if (code === 0x45) jump((loaded & value) !== 0);
    else throw new Error(`There is no instruction ${code}.`);
  }
}

describe.each(Object.entries(machines))('the filter on %s', (arch, machine) => {
  const pid = 4711;
  const program = seccompProgram(pid, [], arch);
  const of = (name: CallName, argument?: number) => {
    const number = numberOf(name, arch);
    return number === undefined ? undefined : run(program, machine, number, argument);
  };

  it('refuses what no lane does, and nothing of what it needs', () => {
    const answers = refusedCalls.map((name) => [name, of(name)]);
    expect(answers.filter(([, answer]) => answer !== undefined && answer !== (ERRNO | EPERM))).toEqual([]);
    for (const name of ['openat', 'close', 'fcntl'] as const) expect(of(name)).toBe(ALLOW);
  });

  it('looks at what a call is for', () => {
    expect(of('clone', 0x3d0f00)).toBe(ALLOW);
    expect(of('clone', 17)).toBe(ERRNO | EPERM);
    expect(of('clone3')).toBe(ERRNO | ENOSYS);
    for (const name of ['kill', 'tgkill'] as const) {
      expect(of(name, pid)).toBe(ALLOW);
      for (const other of [0, 1, pid + 1, 0xffffffff]) expect(of(name, other)).toBe(ERRNO | EPERM);
    }
    expect([0, pid, 1].map((id) => of('prlimit64', id))).toEqual([ALLOW, ALLOW, ERRNO | EPERM]);
    expect([1, 4, 15].map((option) => of('prctl', option))).toEqual([ERRNO | EPERM, ERRNO | EPERM, ALLOW]);
  });

  it('knows no other machine’s calls and none of the future', () => {
    const other = arch === 'x64' ? machines.arm64 : machines.x64;
    expect(run(program, other, 0)).toBe(KILL);
    // As 32-bit programs call.
    expect(run(program, 0x40000003, 11)).toBe(KILL);
    expect(run(program, machine, LAST_CALL + 1)).toBe(ERRNO | ENOSYS);
    expect(run(program, machine, 0x40000000 | 59)).toBe(ERRNO | ENOSYS);
  });

  it('lets through what is named, for the one call that is still to come', () => {
    const before = seccompProgram(pid, ['execve'], arch);
    expect(run(before, machine, numberOf('execve', arch) ?? 0)).toBe(ALLOW);
    expect(run(before, machine, numberOf('execveat', arch) ?? 0)).toBe(ERRNO | EPERM);
  });
});
