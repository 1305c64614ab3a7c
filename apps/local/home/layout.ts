import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { homeFolder, repository, toolsFolder } from '@darkroom/servers/home.mjs';
import { requireRoom } from '@darkroom/servers/room.mjs';
import { SetupError } from '../terminal.ts';

export { homeFolder, repository };

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

/** The paths of a stack whose own files lie in `home`. */
export function layoutOf(home: string, cache: string = homeFolder()): Layout {
  const data = join(home, 'data');
  return {
    home,
    cache,
    tools: toolsFolder(cache),
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
 * Makes the folders of a stack and checks that there is room to work in. A folder that is there already keeps its mode: DARKROOM_HOME may
 * be one that others use too.
 * @throws SetupError when less than 500 MB are free, or where the stack's own folder is somebody else's.
 */
export async function prepareFolders(layout: Layout): Promise<void> {
  const { home, data, logs, s3, temporal, tools, models } = layout;
  // Everybody may pass through to what is another user's (Postgres, when we are root); what is ours nobody else may read.
  for (const folder of [home, data]) await makeFolder(folder, 0o711);
  await requireOwn(data);
  for (const folder of [s3, logs, temporal]) await makeFolder(folder, 0o700);
  for (const folder of [tools, models]) await mkdir(folder, { recursive: true });
  await requireRoom(home);
}

/** The mode is set apart from the making, which the process' umask narrows. */
async function makeFolder(folder: string, mode: number): Promise<void> {
  if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, mode);
}

async function requireOwn(folder: string): Promise<void> {
  const { uid } = await lstat(folder);
  if (process.getuid === undefined || uid === process.getuid()) return;
  throw new SetupError(
    `${folder} belongs to another user. Give this stack its own folder: DARKROOM_HOME=/some/folder npm start`,
  );
}
