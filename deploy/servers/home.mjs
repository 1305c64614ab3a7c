import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of this repository. */
export const repository = fileURLToPath(new URL('../../', import.meta.url));

/** The folder that everything generated goes into: `DARKROOM_HOME`, else `.darkroom` in the repository. */
export function homeFolder(/** @type {NodeJS.ProcessEnv} */ env = process.env) {
  return resolve(repository, env.DARKROOM_HOME || '.darkroom');
}

/** The folder of the server programs that were fetched or built, shared by all stacks of a clone. */
export function toolsFolder(home = homeFolder()) {
  return join(home, 'tools');
}
