/** What is said of an item that ended a lane in which it was alone. */
import { ProblemError } from '@darkroom/contract/problems/problem.ts';
import { LaneStalled } from '../errors.ts';

/** The problem of an item called `name`, told by how its lane ended. */
export function blamed(name: string, how: unknown, memoryVariable?: string): ProblemError {
  if (how instanceof ProblemError) {
    const limit = how.code === 'memory_limit' && memoryVariable !== undefined ? ` (${memoryVariable})` : '';
    return new ProblemError(how.code, `${name}: ${how.message}${limit}`, { cause: how });
  }
  const detail = how instanceof Error ? how.message : String(how);
  return how instanceof LaneStalled
    ? new ProblemError('item_timeout', `${name}: ${detail}`, { cause: how })
    : new ProblemError('poisonous_item', `${name} ended the process that worked on it alone. ${detail}`, {
        cause: how,
      });
}
