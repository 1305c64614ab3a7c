/** What the records say when Postgres does not answer, and how each query of this package fails. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ProblemError } from '@darkroom/contract';
import { PgTransaction } from 'drizzle-orm/pg-core';
import type { Db } from './connection.ts';
import { withinDeadline } from './deadline.ts';

/** Longer than `statement_timeout`: reached by a unit of several slow statements, or when the server itself is silent. */
export const deadlineMs = 20_000;

/** Postgres did not say what became of a COMMIT: whether the transaction counts, only its rows can tell. */
export class OutcomeUnknown extends ProblemError {
  constructor(options?: ErrorOptions) {
    super('records_unavailable', 'Postgres did not say whether the change was made.', options);
  }
}

/** Codes of a connection that went away under a query. */
const lostCodes = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', '57P01', '57P02', '08003', '08006']);

/** Codes of a server that is not there, not ready, too busy, or has cut a query off. */
const absentCodes = new Set([
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT'],
  ...['57P03', '57P05', '57014', '55P03', '25P03', '53300', '53400'],
]);

/** What the driver says without a code, and the code it would be. */
const codeByMessage: readonly (readonly [RegExp, string])[] = [
  [/^Connection terminated due to connection timeout/, 'ECONNREFUSED'],
  [/^Connection terminated/, 'ECONNRESET'],
  [/^Client .* is not queryable/, 'ECONNRESET'],
  [/^Query read timeout/, 'ETIMEDOUT'],
  [/^timeout e/, 'ECONNREFUSED'], // expired, exceeded when trying to connect
  [/^Cannot use a pool after calling end/, 'ECONNREFUSED'],
];

/** SQLSTATE or system code of an error, drizzle's wrapping taken off. */
export function codeOf(error: unknown): string | undefined {
  const { code, message } = rootOf(error) as { code?: unknown; message?: unknown };
  if (typeof code === 'string') return code;
  return codeByMessage.find(([pattern]) => pattern.test(String(message)))?.[1];
}

/** Whether an established connection went away under a query. */
export const connectionLost = (error: unknown): boolean =>
  error instanceof OutcomeUnknown || lostCodes.has(codeOf(error) ?? '');

/** drizzle puts the values of a query into its message; the driver's own error does not. */
function rootOf(error: unknown): object {
  let root = error;
  while (root instanceof Error && root.constructor.name === 'DrizzleQueryError' && root.cause !== undefined) {
    root = root.cause;
  }
  return typeof root === 'object' && root !== null ? root : new Error(String(root));
}

/** The error a caller sees: `records_unavailable` when Postgres was away or too slow, else the driver's own. */
export function recordsProblem(error: unknown): unknown {
  const root = rootOf(error);
  if (root instanceof ProblemError) return root;
  const code = codeOf(root) ?? '';
  if (lostCodes.has(code) || absentCodes.has(code) || code.startsWith('08')) {
    return new ProblemError('records_unavailable', `Postgres did not answer (${code}).`, { cause: root });
  }
  return root;
}

/**
 * Runs `work` on the records; it ends within `within` ms, with `records_unavailable` if Postgres is away or too slow. Nothing of it is
 * committed after that; {@link OutcomeUnknown} is thrown where a COMMIT was sent already.
 */
export async function records<R>(work: () => Promise<R>, within: number = deadlineMs): Promise<R> {
  const expired = (commitUnanswered: boolean): ProblemError =>
    commitUnanswered
      ? new OutcomeUnknown()
      : new ProblemError('records_unavailable', `Postgres did not answer within ${within} ms.`);
  try {
    return await withinDeadline(within, expired, work);
  } catch (error) {
    throw recordsProblem(error);
  }
}

const repeatAfterMs = 50;

const repeated =
  (worthRepeating: (error: unknown) => boolean) =>
  <A extends [Db, ...unknown[]], R>(query: (...args: A) => Promise<R>) =>
  (...args: A): Promise<R> =>
    records(async () => {
      try {
        return await query(...args);
      } catch (error) {
        // A statement of an aborted transaction cannot be retried alone.
        if (args[0] instanceof PgTransaction || !worthRepeating(error)) throw error;
        await sleep(repeatAfterMs); // the pool's other connections are most likely lost too, and noticed by then
        return await query(...args);
      }
    });

/** Whether the server has rolled a transaction back for what others did beside it. */
export const rolledBack = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error) ?? '');

/** A query that changes nothing: asked again once when its connection was lost. */
export const read = repeated((error) => connectionLost(error) || rolledBack(error));

/** A unit that changes something: tried again once only when the server says that it was rolled back. */
export const write = repeated(rolledBack);
