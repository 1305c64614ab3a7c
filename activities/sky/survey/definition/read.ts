/** Surveys' YAML files. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Document, parseDocument, stringify } from 'yaml';
import type { z } from 'zod';
import { type SurveyDefinition, surveyDefinition } from './definition.ts';

/** A file that is no survey: the message names the file, and every key with what to do about it. */
export class SurveyFileError extends Error {
  override readonly name = 'SurveyFileError';
}

/** The survey of a YAML or JSON text; `file` is named in problems. Throws {@link SurveyFileError}. */
export function parseSurvey(text: string, file: string): SurveyDefinition {
  const document = parseDocument(text, { logLevel: 'silent' });
  const [broken] = document.errors;
  if (broken !== undefined) throw new SurveyFileError(`${file} is no YAML: ${broken.message}`);
  const read = surveyDefinition.safeParse(valuesOf(document, file));
  if (read.success) return read.data;
  const lines = read.error.issues.flatMap(linesOf);
  throw new SurveyFileError(
    `${file} is no survey yet:\n${lines.map((line) => `  ${line}`).join('\n')}\nSee docs/surveys.md.`,
  );
}

function valuesOf(document: Document, file: string): unknown {
  try {
    // Of aliases none: a few lines could stand for gigabytes.
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new SurveyFileError(`${file} has an alias (*name); write out what it stands for.`, { cause });
  }
}

function linesOf(issue: z.core.$ZodIssue): string[] {
  const key = (path: readonly PropertyKey[]): string =>
    path.reduce<string>(
      (all, part) =>
        typeof part === 'number' ? `${all}[${part}]` : all === '' ? String(part) : `${all}.${String(part)}`,
      '',
    ) || 'the file';
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(
      (name) => `${key([...issue.path, name])}: is not known; remove it, or write it as the docs do`,
    );
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  return [
    `${key(issue.path)}: ${isMissing && !issue.message.startsWith('give') ? 'is missing' : issue.message}`,
  ];
}

/** The YAML file of a definition. */
export const surveyYaml = (definition: SurveyDefinition): string => stringify(definition);

/** SHA-256 of what a definition says, whatever its file looks like. */
export const digestOf = (definition: SurveyDefinition): string =>
  createHash('sha256').update(JSON.stringify(definition)).digest('hex');

/** Throws {@link SurveyFileError}, and what the file system throws. */
export const readSurvey = async (file: string): Promise<SurveyDefinition> =>
  parseSurvey(await readFile(file, 'utf8'), file);

/** YAML files of a folder, by name; none where there is no folder. */
export async function surveyFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .filter((name) => ['.yaml', '.yml'].includes(extname(name)))
    .sort()
    .map((name) => join(folder, name));
}
