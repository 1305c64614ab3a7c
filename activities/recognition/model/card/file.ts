/** The model card as a file beside the model: `detector.onnx` → `detector.json`, or `.yaml`. */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { ProblemError } from '@darkroom/contract';
import { z } from 'zod';
import { type ModelCard, modelCard } from './card.ts';

const extensions = ['.json', '.yaml', '.yml'] as const;

const stemOf = (path: string): string => path.slice(0, path.length - extname(path).length);

/** Path of the card that is written for a model. */
export function cardPath(modelPath: string): string {
  return `${stemOf(modelPath)}.json`;
}

/** The card beside a model; an empty card when there is none. Throws `unsupported_model` when it is wrong, or when there are two. */
export async function readCard(modelPath: string): Promise<ModelCard> {
  const found: { readonly path: string; readonly text: string }[] = [];
  for (const extension of extensions) {
    const path = `${stemOf(modelPath)}${extension}`;
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== undefined) found.push({ path, text });
  }
  const [first, second] = found;
  if (first === undefined) return {};
  if (second === undefined) return parseCard(first.path, first.text);
  throw new ProblemError(
    'unsupported_model',
    `Two model cards lie beside ${basename(modelPath)}: ${basename(first.path)} and ${basename(second.path)}. Keep one.`,
  );
}

/** The text of a card, YAML or JSON by the name of its file. Throws `unsupported_model` that names all that is wrong with it. */
export async function parseCard(path: string, text: string): Promise<ModelCard> {
  try {
    return modelCard.parse(await parsed(path, text));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new ProblemError('unsupported_model', `The model card ${basename(path)} is not valid: ${reason}`, {
      cause: error,
    });
  }
}

async function parsed(path: string, text: string): Promise<unknown> {
  if (extname(path) === '.json') return JSON.parse(text);
  const { parse } = await import('yaml');
  return parse(text);
}
