/** Landlock: of all files, those below some folders, and nothing of networks and other processes (landlock(7)). */
import { constants, lstatSync } from 'node:fs';
import { cString, type Kernel } from './kernel.ts';

const EXECUTE = 1n << 0n;
const READ_FILE = 1n << 2n;
const READ_DIR = 1n << 3n;
/** How many rights of files each version knows of; the last is for those after it. */
const RIGHTS_KNOWN = [0n, 13n, 14n, 15n, 15n, 16n];
/** To bind and to connect TCP, from version 4 on. */
const NETWORK = 3n;
const NETWORK_SINCE = 4;
/** Abstract sockets and signals, from version 6 on. */
const SCOPES = 3n;
const SCOPES_SINCE = 6;

const TELL_VERSION = 1;
const PATH_BENEATH = 1;
const AT_FDCWD = -100;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

export interface FileRules {
  /** Files and folders, with what is in them. */
  readonly read: readonly string[];
  readonly execute: readonly string[];
}

/** Version of Landlock, 0 where there is none. */
export function landlockVersion(kernel: Kernel): number {
  return Math.max(0, kernel.call('landlock_create_ruleset', 0, 0, TELL_VERSION));
}

/**
 * Holds the calling thread, and every program it becomes, to `rules` for good. What is not there is left out. Returns the version, 0 where
 * it could not be had. The process must have given up new privileges before.
 */
export function restrictFiles(kernel: Kernel, { read, execute }: FileRules): number {
  const version = landlockVersion(kernel);
  if (version === 0) return 0;
  const rights = (1n << (RIGHTS_KNOWN[Math.min(version, RIGHTS_KNOWN.length - 1)] ?? 0n)) - 1n;
  const attributes = Buffer.alloc(version >= SCOPES_SINCE ? 24 : version >= NETWORK_SINCE ? 16 : 8);
  attributes.writeBigUInt64LE(rights, 0);
  if (version >= NETWORK_SINCE) attributes.writeBigUInt64LE(NETWORK, 8);
  if (version >= SCOPES_SINCE) attributes.writeBigUInt64LE(SCOPES, 16);
  const ruleset = kernel.call('landlock_create_ruleset', attributes, attributes.length, 0);
  if (ruleset < 0) return 0;
  try {
    for (const path of read) allow(kernel, ruleset, path, READ_FILE | READ_DIR);
    for (const path of execute) allow(kernel, ruleset, path, READ_FILE | EXECUTE);
    return kernel.call('landlock_restrict_self', ruleset, 0) === 0 ? version : 0;
  } finally {
    kernel.call('close', ruleset);
  }
}

function allow(kernel: Kernel, ruleset: number, path: string, rights: bigint): void {
  const file = kernel.call('openat', AT_FDCWD, cString(path), O_PATH | constants.O_NOFOLLOW | O_CLOEXEC, 0);
  if (file < 0) return;
  const rule = Buffer.alloc(12);
  rule.writeBigUInt64LE(lstatSync(path).isDirectory() ? rights : rights & ~READ_DIR, 0);
  rule.writeInt32LE(file, 8);
  const result = kernel.call('landlock_add_rule', ruleset, PATH_BENEATH, rule, 0);
  kernel.call('close', file);
  if (result < 0) throw new Error(`Landlock takes no rule for ${path} (errno ${-result}).`);
}
