/** What a model file is to be registered as, however it is sent. */
import { type ModelService, modelService, ProblemError } from '@darkroom/contract';
import { modelNamePattern, versionPattern } from '@darkroom/models';
import type { ModelCard } from '@darkroom/recognition/model/card/card.ts';
import { z } from '@hono/zod-openapi';
import type { IncomingModel, Wanted } from './receive.ts';

/** What both ways to register have in common. */
export const registration = z.strictObject({
  name: z
    .string()
    .regex(
      modelNamePattern,
      'has letters, digits, _, . and -, begins with a letter or digit, and is not default',
    )
    .meta({ description: 'Name of the model; `default` is none.', example: 'birds' }),
  version: z
    .string()
    .regex(versionPattern, 'begins with a digit, or v and a digit, and has letters, digits, _, ., + and -')
    .meta({ description: 'The version, which is registered once.', example: '2' }),
  serves: z.array(modelService).min(1).max(2).optional().meta({
    description:
      'What it may be opened for. Absent: predictions, and for a detector jobs that recognise as well.',
  }),
});

/** A file that was stored, with what it is to be registered as. */
export interface Received {
  readonly incoming: IncomingModel;
  readonly wanted: Omit<Wanted, 'by'>;
}

/** What is registered: the card says the same name and version. Throws `validation_failed`. */
export function wantedOf(
  { name, version, serves }: z.infer<typeof registration>,
  card: ModelCard,
): Received['wanted'] {
  const wrong = (pointer: string, detail: string): ProblemError =>
    new ProblemError('validation_failed', `${pointer}: ${detail}.`, { errors: [{ pointer, detail }] });
  if (card.name !== undefined && card.name !== name) throw wrong('/card/name', `is not ${name}`);
  if (card.version !== undefined && card.version !== version)
    throw wrong('/card/version', `is not ${version}`);
  const possible: readonly ModelService[] =
    card.task === 'classifier' ? ['predictions'] : ['recognition', 'predictions'];
  if (serves?.includes('recognition') === true && !possible.includes('recognition'))
    throw wrong('/serves', 'of a classifier is predictions alone: it finds no boxes');
  return { name, version, card: { ...card, name, version }, serves: [...new Set(serves ?? possible)] };
}
