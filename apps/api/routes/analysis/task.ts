/** What the routes of analysis share: finding a task for its caller, making documents with links. */
import { setImmediate as turn } from 'node:timers/promises';
import { getJob, type JobWithStages } from '@darkroom/records';
import { z } from '@hono/zod-openapi';
import { type Action, authorize } from '../../authorize.ts';
import type { ApiContext } from '../../context.ts';
import { type Base, named as namedAs } from '../../openapi/bases.ts';

export { type Base, bases } from '../../openapi/bases.ts';

import { requireJobId } from '../jobs/shared.ts';
import { type Media, mediaOf } from './media.ts';

/** How a route of analysis is named in the document. */
export const named = (operationId: string, base: Base) => namedAs(operationId, base, 'Analysis');

export const taskParam = z.object({
  task_id: z.string().meta({
    description: 'Id of the task; also the id of its job.',
    example: '0197a3c2-7d4e-7c1a-9b1e-2f4f6a8b9c0d',
    param: { name: 'task_id', in: 'path' },
  }),
});

export const segmentParams = taskParam.extend({
  segment_id: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .meta({ description: 'Number of the segment, from 1.', param: { name: 'segment_id', in: 'path' } }),
});

export interface Task extends JobWithStages {
  readonly media: Media;
}

/** The task, if the caller may do `action` to it. Throws `not_found` (for a job that analyses nothing, too), `forbidden`. */
export async function loadTask(c: ApiContext, id: string, action: Action): Promise<Task> {
  const found = await getJob(c.var.deps.records.db, requireJobId(c, id));
  const media = found && mediaOf(found.job.kind);
  const task = found && media && { ...found, media };
  authorize(c.var.caller, action, task?.job);
  return task!;
}

const rowsPerTurn = 10;

/** Makes a document of each row. Signing links is work for the processor: other requests get their turn in between. */
export async function inTurns<Row, Made>(
  rows: readonly Row[],
  make: (row: Row) => Promise<Made>,
): Promise<Made[]> {
  const made: Made[] = [];
  for (let at = 0; at < rows.length; at += rowsPerTurn) {
    if (at > 0) await turn();
    made.push(...(await Promise.all(rows.slice(at, at + rowsPerTurn).map(make))));
  }
  return made;
}
