/** Makes the surveys of samples, once for each version of what makes them: `node activities/sky/samples/make.ts FOLDER`. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { surveyYaml } from '../survey/definition/read.ts';
import { type SampleSize, type SampleSurvey, sampleBricks, sampleCoadd, usualSize } from './surveys.ts';

export const sampleSurveys = (size?: SampleSize): SampleSurvey[] => [sampleCoadd(size), sampleBricks(size)];

const here = dirname(fileURLToPath(import.meta.url));
const madeBy = [here, join(here, '../fits/write'), join(here, '../fits/write/tiles')];

/** SHA-256 of what makes the samples: another one makes other files. */
async function digestOfMaker(size: SampleSize): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(size));
  for (const folder of madeBy)
    for (const name of (await readdir(folder)).sort())
      if (name.endsWith('.ts') && !name.endsWith('.test.ts'))
        hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest('hex').slice(0, 16);
}

/**
 * The folder of the samples below `cache`, made if it is not there: a folder of tiles and a YAML file for each survey. What earlier versions
 * made is removed.
 */
export async function ensureSampleSurveys(cache: string, size: SampleSize = usualSize): Promise<string> {
  const folder = join(cache, await digestOfMaker(size));
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const making = join(cache, `making-${process.pid}`);
  for (const { definition, files } of sampleSurveys(size)) {
    for (const { path, bytes } of files()) {
      const file = join(making, definition.name, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, bytes);
    }
    await writeFile(join(making, `${definition.name}.yaml`), surveyYaml(definition));
  }
  const earlier = (await readdir(cache)).filter((name) => /^[0-9a-f]{16}$/.test(name));
  await rename(making, folder).catch(async (error: unknown) => {
    // Another start was first: it has made the same.
    if (!existsSync(folder)) throw error;
    await rm(making, { recursive: true, force: true });
  });
  for (const name of earlier) await rm(join(cache, name), { recursive: true, force: true });
  return folder;
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('Name the folder: node activities/sky/samples/make.ts FOLDER');
  console.log(await ensureSampleSurveys(folder));
}
