/** The sky surveys of samples: made once for all stacks of a clone, put into the bucket of samples, and indexed. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRecords } from '@darkroom/records';
import { ensureSampleSurveys, sampleSurveys } from '@darkroom/sky/samples/make.ts';
import type { SampleSize } from '@darkroom/sky/samples/surveys.ts';
import { surveyYaml } from '@darkroom/sky/survey/definition/read.ts';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import type { Stack } from '../home/stackfile.ts';
import { connect, sampleBucket } from './samples.ts';

/** Folder of the surveys' YAML files of a stack, as SURVEYS_PATH has it where it is not set. */
export const surveysOf = (home: string): string => join(home, 'surveys');

/** The files of the samples, made if an earlier start has not. */
export const makeSkySamples = (cache: string, size?: SampleSize): Promise<string> =>
  ensureSampleSurveys(join(cache, 'surveys-made'), size);

/**
 * Puts the surveys of `made` into the bucket of samples and indexes them; what is there already stays. The first of them is verified, the other
 * is not: so that both can be seen.
 */
export async function putSkySamples(
  made: string,
  { s3, postgres }: Pick<Stack, 's3' | 'postgres'>,
  home: string,
): Promise<void> {
  const storage = connect(s3, sampleBucket);
  const records = openRecords({ url: postgres, pool: 2, application: 'darkroom-local' });
  try {
    await mkdir(surveysOf(home), { recursive: true });
    for (const [i, { definition }] of sampleSurveys().entries()) {
      const { name } = definition;
      const prefix = `surveys/${name}/`;
      const there = new Map<string, number>();
      for await (const { key, size } of storage.list(prefix)) there.set(key, size);
      for (const path of await filesOf(join(made, name))) {
        const file = join(made, name, path);
        const key = prefix + path;
        // Compressed noise: files of another sky are not of the same size by chance, all of them.
        if (there.get(key) === (await stat(file)).size) continue;
        await storage.putBytes(key, await readFile(file), { contentType: 'application/fits' });
      }
      const placed = { ...definition, root: `s3://${sampleBucket}/${prefix}` };
      await writeFile(join(surveysOf(home), `${name}.yaml`), surveyYaml(placed));
      await indexSurvey(placed, { db: records.db, store: storage, verify: i === 0 });
    }
  } finally {
    await records.close();
    storage.close();
  }
}

const filesOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.fz')).sort();
