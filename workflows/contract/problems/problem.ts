/**
 * The closed list of what can go wrong, the same in API, record, log, trace and console.
 *
 * `fault` says whose it is, `retryable` whether the same request or job can succeed later unchanged,
 * `next` what the reader should do now.
 */
import { z } from 'zod';
import type { ProblemKind } from './fault.ts';
import { ofFiles } from './files.ts';
import { ofJobs } from './jobs.ts';
import { ofModels } from './models.ts';
import { ofRequests } from './requests.ts';
import { ofSky } from './sky.ts';

export type { Fault, ProblemKind } from './fault.ts';

export const problemKinds = {
  ...ofRequests,
  ...ofFiles,
  ...ofModels,
  ...ofSky,
  ...ofJobs,
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problemKinds;

const codes = Object.keys(problemKinds) as [ProblemCode, ...ProblemCode[]];

export const problemCode = z
  .enum(codes)
  .meta({ id: 'ProblemCode', description: 'Stable code of a problem.' });

/** What a job or an item keeps of its failure. */
export const problemRecord = z
  .object({
    code: problemCode,
    title: z.string(),
    detail: z.string().meta({ description: 'What happened this time, in words.' }),
    fault: z.enum(['yours', 'ours', 'limit']),
    retryable: z.boolean(),
    next: z.string().meta({ description: 'What to do now.' }),
  })
  .meta({ id: 'JobProblem' });
export type ProblemRecord = z.infer<typeof problemRecord>;

/** RFC 9457 problem details, with the extension members Darkroom always sends. */
export const problemDocument = problemRecord
  .extend({
    type: z
      .string()
      .meta({ description: 'URI that identifies the code.', example: '/docs/problems#not_found' }),
    status: z.int(),
    instance: z.string().optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
    suggestion: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'What would be taken instead, ready to be sent.' }),
    traceId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });
export type ProblemDocument = z.infer<typeof problemDocument>;

/** The record of a problem: its kind's constant parts with this time's detail. */
export function problemOf(code: ProblemCode, detail: string): ProblemRecord {
  const { title, fault, retryable, next } = problemKinds[code];
  return { code, title, detail: storable(detail), fault, retryable, next };
}

/**
 * A text as Postgres takes it, also within JSON: without NUL and without half a surrogate pair, which a program's output may contain
 * where it was cut. A job could not be ended with a problem that cannot be written.
 */
export const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '');

/** Fields of JSON, by name. */
export type Suggestion = NonNullable<ProblemDocument['suggestion']>;

/** An error that carries a problem; what any layer throws when it knows what is wrong. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ProblemCode;
  readonly errors: { pointer: string; detail: string }[] | undefined;
  /** What would be taken instead. */
  readonly suggestion: Suggestion | undefined;
  /** After how many seconds the same may be tried again, where that is known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    detail: string,
    options?: {
      cause?: unknown;
      errors?: { pointer: string; detail: string }[];
      suggestion?: Suggestion | undefined;
      retryAfterSeconds?: number;
    },
  ) {
    const { stackTraceLimit } = Error;
    // What load refuses comes by the hundred a second, and nobody looks where: its stack would be a good part of what it costs.
    if (code === 'overloaded') Error.stackTraceLimit = 0;
    super(detail, options?.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.errors = options?.errors;
    this.suggestion = options?.suggestion;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }

  get problem(): ProblemRecord {
    return problemOf(this.code, this.message);
  }
}
