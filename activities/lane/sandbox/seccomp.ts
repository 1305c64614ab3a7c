/** The filter of the kernel's calls: once on, it holds for every thread there is and will be, and cannot be taken off. */
import { type CallName, LAST_CALL, numberOf, refusedCalls } from './calls.ts';
import { ENOSYS, EPERM, type Kernel } from './kernel.ts';

/** As the kernel calls the machine (linux/audit.h). */
const AUDIT_ARCH: Readonly<Record<string, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

// linux/filter.h and linux/seccomp.h.
const LOAD = 0x20;
const EQUAL = 0x15;
const AT_LEAST = 0x35;
const ANY_BIT = 0x45;
const RETURN = 0x06;
const NUMBER_AT = 0;
const ARCH_AT = 4;
/** The lower half of the first argument, both machines being little-endian. */
const ARGUMENT_AT = 16;
const KILL = 0x80000000;
const ALLOW = 0x7fff0000;
const refuse = (errno: number): number => 0x00050000 | errno;

/** A new thread of the process there is, not a process. */
const CLONE_THREAD = 0x10000;
/** Options of `prctl` that would let a lane outlive its parent, or be looked into. */
const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;

type Instruction = readonly [code: number, value: number, ifSo?: number, ifNot?: number];

/** The filter for a process of this id, as the kernel takes it; `but` these calls are let through. */
export function seccompProgram(
  pid: number,
  but: readonly CallName[] = [],
  arch: string = process.arch,
): Buffer {
  const when = (name: CallName, then: readonly Instruction[]): readonly Instruction[] => {
    const number = numberOf(name, arch);
    return number === undefined ? [] : [[EQUAL, number, 0, then.length], ...then];
  };
  const returns = (value: number): readonly Instruction[] => [[RETURN, value]];
  /** Allowed when the first argument is one of `values`. */
  const only = (...values: readonly number[]): readonly Instruction[] => [
    [LOAD, ARGUMENT_AT],
    ...values.map((value, i): Instruction => [EQUAL, value, values.length - i]),
    [RETURN, refuse(EPERM)],
    [RETURN, ALLOW],
  ];
  const program: readonly Instruction[] = [
    [LOAD, ARCH_AT],
    [EQUAL, AUDIT_ARCH[arch] ?? 0, 1],
    [RETURN, KILL],
    [LOAD, NUMBER_AT],
    [AT_LEAST, LAST_CALL + 1, 0, 1],
    [RETURN, refuse(ENOSYS)],
    ...refusedCalls
      .filter((name) => !but.includes(name))
      .flatMap((name) => when(name, returns(refuse(EPERM)))),
    // Its flags lie in memory, which no filter sees; the C library then takes `clone`.
    ...when('clone3', returns(refuse(ENOSYS))),
    ...when('clone', [
      [LOAD, ARGUMENT_AT],
      [ANY_BIT, CLONE_THREAD, 1],
      [RETURN, refuse(EPERM)],
      [RETURN, ALLOW],
    ]),
    ...when('kill', only(pid)),
    ...when('tgkill', only(pid)),
    ...when('prlimit64', only(0, pid)),
    ...when('prctl', [
      [LOAD, ARGUMENT_AT],
      [EQUAL, PR_SET_PDEATHSIG, 2],
      [EQUAL, PR_SET_DUMPABLE, 1],
      [RETURN, ALLOW],
      [RETURN, refuse(EPERM)],
    ]),
    [RETURN, ALLOW],
  ];
  const bytes = Buffer.alloc(8 * program.length);
  program.forEach(([code, value, ifSo = 0, ifNot = 0], i) => {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(ifSo, 8 * i + 2);
    bytes.writeUInt8(ifNot, 8 * i + 3);
    bytes.writeUInt32LE(value, 8 * i + 4);
  });
  return bytes;
}

const SET_MODE_FILTER = 1;
/** For all threads, not for the calling one alone. */
const TSYNC = 1;

/** Puts the filter on; returns the errno where the kernel does not. The process must have given up new privileges before. */
export function filterCalls(kernel: Kernel, but: readonly CallName[] = []): number {
  const filter = seccompProgram(process.pid, but);
  const program = Buffer.alloc(16);
  program.writeUInt16LE(filter.length / 8, 0);
  program.writeBigUInt64LE(kernel.addressOf(filter), 8);
  return -kernel.call('seccomp', SET_MODE_FILTER, TSYNC, program);
}
