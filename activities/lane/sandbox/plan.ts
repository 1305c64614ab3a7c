/** What the launcher is told: the child's module, and what it may do. */
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface LaunchPlan {
  readonly main: string;
  /** Files and folders of the build's own. */
  readonly reads: readonly string[];
  readonly memoryBytes: number;
  readonly sandbox: boolean;
  /** Process that it ends with. */
  readonly parent: number;
  /** How much the system is to prefer others to it, 0 to 19. */
  readonly nice: number;
  /** Whether it was started in a network namespace of its own. */
  readonly network: boolean;
  /** Where it is only to load its module, for the code to be compiled, and to end: the file that it makes to tell that it has. It is held by nothing, as it is given nothing. */
  readonly compileOnly?: string;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Code, without configuration, keys and data that may lie beside it. */
const code = ['activities', 'workflows/contract', 'node_modules', 'package.json'].map(
  (name) => `${root}${name}`,
);
const libraries = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib', '/etc/ld.so.cache'];
/** Node reads the first; ONNX Runtime and OpenCV choose their code by what the others say of the processor. */
const told = [
  '/etc/ssl/openssl.cnf',
  '/proc/cpuinfo',
  '/proc/meminfo',
  '/sys/devices/system/cpu',
  '/dev/null',
  '/dev/urandom',
];

/** What a child must read to be one, as far as it is there; links followed. */
export function readablePaths({ main, reads }: Pick<LaunchPlan, 'main' | 'reads'>): string[] {
  const wanted = [...code, ...libraries, ...told, process.execPath, dirname(main), ...reads];
  return [...new Set(wanted.flatMap(real))];
}

export function real(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}
