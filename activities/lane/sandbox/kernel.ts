/** The kernel's own calls, from JavaScript. */
import { createRequire } from 'node:module';
import { type CallName, numberOf } from './calls.ts';

/** What is used of koffi. */
interface Koffi {
  load(library: null): {
    func(name: string, result: string, parameters: readonly string[]): (...args: readonly bigint[]) => number;
  };
  address(memory: Uint8Array): bigint;
  errno(): number;
}

export interface Kernel {
  /** What the call returns, or its errno below zero. Memory is handed over by its address. */
  call(name: CallName, ...args: readonly (number | bigint | Uint8Array)[]): number;
  /** Where memory lies that is not moved. */
  addressOf(memory: Uint8Array): bigint;
}

/** Why there are none, where there are none. */
export function openKernel(): Kernel | { readonly reason: string } {
  if (process.platform !== 'linux') return { reason: `${process.platform} is not Linux` };
  if (numberOf('seccomp') === undefined) return { reason: `calls of ${process.arch} are not known here` };
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi');
  } catch (error) {
    const [line] = String(error).split('\n');
    return { reason: `koffi cannot be loaded (${line})` };
  }
  const word = 'int64_t';
  // Its arguments travel in the same registers as those of a function that takes seven.
  const syscall = koffi.load(null).func('syscall', word, Array<string>(7).fill(word));
  return {
    addressOf: (memory) => koffi.address(memory),
    call(name, ...args) {
      const number = numberOf(name);
      if (number === undefined) return -ENOSYS;
      const words = args.map((arg) => (arg instanceof Uint8Array ? koffi.address(arg) : BigInt(arg)));
      while (words.length < 6) words.push(0n);
      const result = Number(syscall(BigInt(number), ...words));
      return result === -1 ? -koffi.errno() : result;
    },
  };
}

export const EPERM = 1;
export const ENOSYS = 38;

/** Text as the kernel takes it. */
export const cString = (text: string): Uint8Array => Buffer.from(`${text}\0`);
