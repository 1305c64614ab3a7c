import { execFile } from 'node:child_process';
import { access, constants, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { buildModule } from './build.ts';
import { repository } from './layout.ts';
import { SetupError, type Terminal } from './terminal.ts';

const run = promisify(execFile);

/** A server program that the stack can get by itself. */
export interface Tool {
  readonly name: 'temporal' | 'versitygw';
  /** The Go package of the program; its module is pinned in deploy/toolchain/<name>/go.mod. */
  readonly package: string;
  readonly module: string;
  /** The environment variable that names a running server instead. */
  readonly address: string;
  readonly install: string;
  /** Why a program with this `--version` output cannot be used, if so. */
  readonly refuses: (versionOutput: string) => string | undefined;
}

export const temporalTool: Tool = {
  name: 'temporal',
  package: 'github.com/temporalio/cli/cmd/temporal',
  module: 'github.com/temporalio/cli',
  address: 'TEMPORAL_ADDRESS',
  install: 'the Temporal CLI 1.5 or later (https://docs.temporal.io/cli)',
  refuses: refusesTemporal,
};

export const versitygwTool: Tool = {
  name: 'versitygw',
  package: 'github.com/versity/versitygw/cmd/versitygw',
  module: 'github.com/versity/versitygw',
  address: 'S3_ENDPOINT',
  install: 'versitygw (https://github.com/versity/versitygw/releases)',
  refuses: () => undefined,
};

/** Where a server comes from. */
export type Origin =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'program'; readonly path: string }
  | { readonly kind: 'module'; readonly path: string; readonly built: boolean };

/**
 * Finds a server: an address in the environment, else a program on the PATH, else the pinned Go module
 * (`built` tells whether the cache holds it already). Starts and builds nothing.
 * `notice` is told why a program on the PATH was passed over.
 */
export async function findTool(
  tool: Tool,
  tools: string,
  env: NodeJS.ProcessEnv = process.env,
  notice: (line: string) => void = () => {},
): Promise<Origin> {
  const address = env[tool.address];
  if (address) return { kind: 'address', address };
  const path = await onPath(tool.name, env);
  if (path) {
    const refusal = await versionRefusal(tool, path);
    if (!refusal) return { kind: 'program', path };
    notice(`${path} is not used: ${refusal}.`);
  }
  const cached = join(tools, `${tool.name}-${await pinnedVersion(tool)}`);
  return { kind: 'module', path: cached, built: await isExecutable(cached) };
}

/**
 * The program of a tool, built if need be.
 * @throws SetupError when it is neither there nor can be built.
 */
export async function ensureProgram(
  tool: Tool,
  origin: Extract<Origin, { kind: 'program' | 'module' }>,
  terminal: Terminal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  if (origin.kind === 'program' || origin.built) return origin.path;
  const go = await onPath('go', env);
  if (!go) throw new SetupError(missingMessage(tool));
  await buildModule(
    { tool: tool.name, package: tool.package, folder: moduleFolder(tool), target: origin.path, go },
    terminal,
  );
  return origin.path;
}

/** The one line for a tool that is nowhere and cannot be built. */
export function missingMessage(tool: Tool): string {
  return (
    `${tool.name} was not found, and Go, which would build it, neither. Install Go 1.24 or later (https://go.dev/dl) ` +
    `or ${tool.install}, or set ${tool.address} to a running server.`
  );
}

/** The version that deploy/toolchain/<name>/go.mod pins, without the `v`. */
export async function pinnedVersion(tool: Tool): Promise<string> {
  const file = join(moduleFolder(tool), 'go.mod');
  const version = readPin(await readFile(file, 'utf8'), tool.module);
  if (!version) throw new SetupError(`${file} does not pin ${tool.module}. Restore the file from git.`);
  return version;
}

/** The version of `module` in the text of a go.mod, without the `v`. */
export function readPin(goMod: string, module: string): string | undefined {
  for (const line of goMod.split('\n')) {
    const [name, version] = line
      .replace(/^\s*require\s+/, '')
      .trim()
      .split(/\s+/);
    if (name === module && version) return version.replace(/^v/, '');
  }
  return undefined;
}

function refusesTemporal(output: string): string | undefined {
  const cli = /temporal version (\d+)\.(\d+)/.exec(output);
  const server = /Server (\d+)\.(\d+)/.exec(output);
  const reaches = (found: RegExpExecArray | null, major: number, minor: number) =>
    found !== null && (Number(found[1]) > major || (Number(found[1]) === major && Number(found[2]) >= minor));
  // A build from source calls itself 0.0.0-DEV: then the server inside tells.
  if (reaches(cli, 1, 5) || reaches(server, 1, 29)) return undefined;
  return `it is ${output.trim().split('\n')[0] || 'of an unknown version'}, and 1.5 or later is needed`;
}

async function versionRefusal(tool: Tool, path: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    return tool.refuses(stdout);
  } catch (error) {
    return `it does not run (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`;
  }
}

/** The first executable of that name on the PATH. */
export async function onPath(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

function moduleFolder(tool: Tool): string {
  return join(repository, 'deploy', 'toolchain', tool.name);
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
