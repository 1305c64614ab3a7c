/** What a child says, as its parent takes it. */
import { problemCode } from '@darkroom/contract/problems/problem.ts';
import { sandboxReport } from '@darkroom/contract/sandbox.ts';
import { z } from 'zod';

/** Characters kept of what a child says of its failure: whose words they are, nobody knows. */
const MOST_DETAIL = 2000;
const cut = (text: string): string => text.slice(0, MOST_DETAIL);

/** Which item of which run. */
const item = { run: z.int().nonnegative(), item: z.int().nonnegative() };
const failure = { code: problemCode.optional(), detail: z.string().transform(cut) };

/** Child → parent. */
export const toParent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('open'), told: z.unknown(), sandbox: sandboxReport }),
  z.object({ type: z.literal('unopened'), ...failure }),
  z.object({ type: z.literal('stage'), ...item, stage: z.string() }),
  /** The child has seen what it is up against; from now on its computing is counted no more. */
  z.object({ type: z.literal('begun'), ...item }),
  z.object({ type: z.literal('read'), ...item, offset: z.int().nonnegative(), length: z.int().positive() }),
  z.object({ type: z.literal('event'), ...item, event: z.unknown() }),
  z.object({ type: z.literal('result'), ...item, result: z.unknown() }),
  z.object({ type: z.literal('failed'), ...item, ...failure }),
]);
export type ToParent = z.infer<typeof toParent>;
