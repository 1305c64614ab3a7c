import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';

export const serviceNames = ['postgres', 's3', 'temporal', 'api', 'worker'] as const;
export type ServiceName = (typeof serviceNames)[number];

const pidsSchema = z.partialRecord(z.enum([...serviceNames, 'supervisor']), z.number().int());

const stackSchema = z.object({
  /** Base address of the API. */
  api: z.string(),
  /** The key that this stack made for its owner; absent until the API's tables exist. */
  key: z.string().optional(),
  postgres: z.string(),
  temporal: z.object({ address: z.string(), ui: z.string(), namespace: z.string() }),
  s3: z.object({
    endpoint: z.string(),
    accessKeyId: z.string(),
    secretAccessKey: z.string(),
    bucket: z.string(),
    region: z.string(),
  }),
  /** Of what runs now; empty when the stack is down. A server that is not ours has none. */
  pids: pidsSchema,
});

/** What scripts read from stack.json: where everything is, and the pids of what this stack runs. */
export type Stack = z.infer<typeof stackSchema>;
export type Pids = z.infer<typeof pidsSchema>;

/** Reads stack.json; undefined where there is none or it is not one. */
export async function readStack(path: string): Promise<Stack | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return stackSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Writes stack.json (mode 0600) so that a reader sees the old or the new one, never a part. */
export async function writeStack(path: string, stack: Stack): Promise<void> {
  await writePrivate(path, `${JSON.stringify(stack, null, 2)}\n`);
}

/** Writes a file that only its owner may read, by rename. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}
