import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writePrivate } from './stackfile.ts';

const secretsSchema = z.object({
  /** Names this data folder: every process of its stack carries it in DARKROOM_STACK. */
  stack: z.string(),
  postgresPassword: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  linkSecret: z.string(),
});

/** What a data folder's servers know each other by, made once and kept in it. */
export type Secrets = z.infer<typeof secretsSchema>;

/** The secrets of a data folder, made at the first call. The file is readable by its owner alone. */
export async function ensureSecrets(path: string): Promise<Secrets> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text !== undefined) return secretsSchema.parse(JSON.parse(text));
  const made: Secrets = {
    stack: randomBytes(9).toString('hex'),
    postgresPassword: randomBytes(18).toString('hex'),
    accessKeyId: randomBytes(8).toString('hex').toUpperCase(),
    secretAccessKey: randomBytes(20).toString('hex'),
    linkSecret: randomBytes(32).toString('hex'),
  };
  await writePrivate(path, JSON.stringify(made, null, 2));
  return made;
}
