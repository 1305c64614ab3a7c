/** Putting a model that was made into the folder of models: its file, its card, its licence, all or nothing. */
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelCard } from '../model/card/card.ts';
import { cardPath } from '../model/card/file.ts';

export interface MadeModel {
  readonly onnx: Buffer;
  readonly card: ModelCard;
  readonly licence: string;
}

/**
 * Path of the model of that name in `folder`, which `make` makes in a folder to work in when it is not there. Any number of processes may
 * do this at once: each works in a folder of its own and renames equal bytes into place.
 */
export async function ensureModel(
  folder: string,
  name: string,
  make: (work: string) => Promise<MadeModel>,
): Promise<string> {
  const path = join(folder, `${name}.onnx`);
  // The card is renamed last, so with it the model is there too.
  if ((await exists(path)) && (await exists(cardPath(path)))) return path;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, '.setup-'));
  try {
    const { onnx, card, licence } = await make(work);
    const files = [
      [join(folder, `${name}.LICENSE.txt`), licence],
      [path, onnx],
      [cardPath(path), `${JSON.stringify(card, null, 2)}\n`],
    ] as const;
    for (const [number, [target, content]] of files.entries()) {
      const temporary = join(work, `made-${number}`);
      await writeFile(temporary, content);
      await rename(temporary, target);
    }
    return path;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
