/**
 * Every environment variable Darkroom reads, what it means, and what it is when it is absent. `.env.example` is generated from here.
 *
 * `example` is shown where a value is wrong; `absent` says in words what holds without one, where that is not a plain default;
 * the value of a `secret` is never shown.
 */
import { z } from 'zod';
import { api } from './variables/api.ts';
import { cutouts } from './variables/cutouts.ts';
import { delivery } from './variables/delivery.ts';
import { lane, limits, media, program, recognition, sky } from './variables/imaging.ts';
import { jobs } from './variables/jobs.ts';
import { predictions } from './variables/predictions.ts';
import { observation, processes, testing } from './variables/processes.ts';
import { quotas } from './variables/quotas.ts';
import { localStack, servers } from './variables/servers.ts';

/** The variables by theme, in the order of `.env.example`. */
export const sections = {
  Process: processes,
  API: api,
  'Postgres, S3, Temporal': servers,
  Limits: limits,
  'What one caller may take': quotas,
  Predictions: predictions,
  'Cutouts of sky surveys': cutouts,
  Recognition: recognition,
  'Videos and what FFmpeg reads': media,
  'Sky surveys': sky,
  'Processes that hold what strangers sent': lane,
  'External programs': program,
  'Workers and jobs': jobs,
  'Where results are delivered': delivery,
  'Logs, traces, metrics': observation,
  'Embedded stack (`npm start`)': localStack,
  Tests: testing,
};

/** The schema of the environment. */
export const environment = z.object({
  ...processes,
  ...api,
  ...servers,
  ...limits,
  ...quotas,
  ...predictions,
  ...cutouts,
  ...recognition,
  ...media,
  ...sky,
  ...lane,
  ...program,
  ...jobs,
  ...delivery,
  ...observation,
  ...localStack,
  ...testing,
});

export type Environment = z.infer<typeof environment>;
export type VariableName = keyof Environment;

const notes = z.object({
  description: z.string(),
  example: z.string(),
  absent: z.string().optional(),
  secret: z.boolean().default(false),
});

/** What is written about a variable: its description, an example, and what holds without it. */
export function notesOf(schema: z.ZodType): z.infer<typeof notes> {
  return notes.parse(schema.meta() ?? {});
}
