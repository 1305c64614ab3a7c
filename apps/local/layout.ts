import { chmod, mkdir, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './terminal.ts';

/** The root of this repository. */
export const repository = fileURLToPath(new URL('../../', import.meta.url));

/** Where the stack keeps what it makes. Everything lies under one git-ignored folder. */
export interface Layout {
  /** What belongs to this stack: stack.json and data/. */
  readonly home: string;
  /** What every stack of this clone shares: tools/, models/. */
  readonly cache: string;
  readonly tools: string;
  readonly models: string;
  readonly data: string;
  readonly logs: string;
  readonly postgres: string;
  readonly s3: string;
  readonly temporal: string;
  readonly secrets: string;
  readonly stackFile: string;
}

const leastFreeBytes = 500 * 1024 * 1024;

/** The folder that everything generated goes into: `DARKROOM_HOME`, else `.darkroom` in the repository. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(repository, env.DARKROOM_HOME || '.darkroom');
}

/** The paths of a stack whose own files lie in `home`. */
export function layoutOf(home: string, cache: string = homeFolder()): Layout {
  const data = join(home, 'data');
  return {
    home,
    cache,
    tools: join(cache, 'tools'),
    models: join(cache, 'models'),
    data,
    logs: join(data, 'logs'),
    postgres: join(data, 'postgres'),
    s3: join(data, 's3'),
    temporal: join(data, 'temporal'),
    secrets: join(data, 'secrets.json'),
    stackFile: join(home, 'stack.json'),
  };
}

/**
 * Makes the folders of a stack and checks that there is room to work in.
 * @throws SetupError when less than 500 MB are free.
 */
export async function prepareFolders(layout: Layout): Promise<void> {
  const { home, data, logs, s3, temporal, tools, models } = layout;
  for (const folder of [home, data, logs, s3, temporal, tools, models]) {
    await mkdir(folder, { recursive: true });
  }
  // Everybody may pass through to what is another user's (Postgres, when we are root); what is ours nobody else may read.
  for (const folder of [home, data]) await chmod(folder, 0o711);
  for (const folder of [s3, logs, temporal]) await chmod(folder, 0o700);
  await requireRoom(home);
}

/** @throws SetupError when the disk that holds `folder` has less than 500 MB free. */
export async function requireRoom(folder: string, leastBytes = leastFreeBytes): Promise<void> {
  const disk = await statfs(folder);
  const free = disk.bavail * disk.bsize;
  if (free < leastBytes) throw new SetupError(fullDiskMessage(folder, free, leastBytes));
}

/** The one line for a full disk. Sizes in bytes. */
export function fullDiskMessage(folder: string, free: number, least: number): string {
  const megabytes = (bytes: number) => Math.floor(bytes / 1024 / 1024);
  return (
    `Only ${megabytes(free)} MB are free on the disk of ${folder}; at least ${megabytes(least)} MB are needed. ` +
    'Free some space, or set DARKROOM_HOME to a folder on a larger disk.'
  );
}
