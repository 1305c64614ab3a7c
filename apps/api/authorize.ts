/** Who may do what: the one place that decides. */
import { ProblemError } from '@darkroom/contract';
import type { Actor } from './context.ts';

export type Action = 'read' | 'cancel' | 'resume' | 'rerun' | 'change' | 'delete';

/** What belongs to somebody: a job, a task, an upload. */
export interface Owned {
  readonly owner: string;
}

/** Whose things, other than their own, a role may touch, and how. */
const overOthers: Readonly<Record<Actor['role'], readonly Action[]>> = {
  user: [],
  operator: ['read', 'cancel', 'resume'],
  admin: ['read', 'cancel', 'resume', 'rerun', 'change', 'delete'],
};

/**
 * Returns if `actor` may do `action` to `thing`. Throws `not_found` for what the actor may not even see (so that ids tell
 * nothing), for a thing that is not there (`undefined`) alike, and `forbidden` for what a higher role may do.
 */
export function authorize<T extends Owned>(
  actor: Actor,
  action: Action,
  thing: T | undefined,
): asserts thing is T {
  if (thing === undefined) throw new ProblemError('not_found', 'There is no such thing, or it is not yours.');
  if (thing.owner === actor.owner) return;
  const allowed = overOthers[actor.role];
  if (allowed.includes(action)) return;
  if (!allowed.includes('read')) {
    throw new ProblemError('not_found', 'There is no such thing, or it is not yours.');
  }
  throw new ProblemError('forbidden', `To ${action} what belongs to somebody else takes the role admin.`);
}

/** Whether the actor sees everybody's things in lists. */
export const seesEverything = (actor: Actor): boolean => overOthers[actor.role].includes('read');

/** Throws `forbidden` unless the actor runs the platform. */
export function requireOperator(actor: Actor, what: string): void {
  if (!seesEverything(actor)) throw new ProblemError('forbidden', `${what} takes the role operator.`);
}
