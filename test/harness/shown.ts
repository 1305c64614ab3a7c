/** The files that a document of the repository shows, as it shows them. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const fileAt = (path: string): Promise<string> =>
  readFile(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

/** Paths and texts of the TypeScript blocks that begin with the path of a file under `folder`. */
export async function filesShown(document: string, folder: string): Promise<Map<string, string>> {
  const blocks = (await fileAt(document)).matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```$/gm);
  const shown = [...blocks].map(([, path = '', code = '']) => [path, code] as const);
  return new Map(shown.filter(([path]) => path.startsWith(`${folder}/`)));
}
