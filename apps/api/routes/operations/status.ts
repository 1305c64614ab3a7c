/** Whether the process can serve, and whether what it stands on does. */

import { ProblemError, sandboxLacks } from '@darkroom/contract';
import { modelProblems, servedModels, toldSandboxes } from '@darkroom/models';
import type { Db } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import { seesEverything } from '../../authorize.ts';
import type { Actor, Api, ApiContext } from '../../context.ts';
import { callerOf, type KeyLookup } from '../../middleware/authentication.ts';
import { problems } from '../../openapi/describe.ts';

/** Longest wait for each of them. */
const deadlineMs = 2000;

const healthRoute = createRoute({
  method: 'get',
  path: '/status/health',
  operationId: 'health',
  tags: ['Status'],
  summary: 'Whether this process can serve',
  description:
    'Says nothing of what it stands on: a machine is not to be replaced because the engine restarts.',
  security: [],
  responses: {
    200: {
      description: 'It can.',
      content: {
        'application/json': { schema: z.object({ status: z.literal('ready') }).meta({ id: 'Health' }) },
      },
    },
  },
});

const verdict = z
  .object({
    ready: z.boolean(),
    ms: z.number().meta({ description: 'Milliseconds until it answered, or was given up.' }),
    detail: z.string().optional(),
  })
  .meta({ id: 'Verdict' });
type Verdict = z.infer<typeof verdict>;

const readiness = z
  .object({
    status: z.enum(['ready', 'degraded', 'draining']).meta({
      description: '`draining`: the process was told to stop; requests are to go to others.',
    }),
    temporal: verdict,
    postgres: verdict,
    s3: verdict,
    recognition: verdict.meta({
      description:
        'Whether a worker has its model open; why not, else. It does not count for `status`: jobs are taken, and wait.',
    }),
    sandbox: verdict.meta({
      description:
        'Whether the system holds the processes that work on pictures of strangers and open registered models (Landlock, seccomp, no capabilities), in every worker that has some; on a GPU it does not; `detail` says what is missing, also of what is a second lock. It does not count for `status`.',
    }),
  })
  .meta({ id: 'Readiness' });

const readyRoute = createRoute({
  method: 'get',
  path: '/status/ready',
  operationId: 'ready',
  tags: ['Status'],
  summary: 'Whether Temporal, Postgres and S3 answer, and a model is there to recognise with',
  responses: {
    200: { description: 'The three answer.', content: { 'application/json': { schema: readiness } } },
    ...problems(),
    503: {
      description: 'Not all of them do, or the process was told to stop.',
      content: { 'application/json': { schema: readiness } },
    },
  },
});

/** Registers the routes. */
export function registerStatus(api: Api, lookup: KeyLookup): void {
  api.openapi(healthRoute, (c) => c.json({ status: 'ready' as const }, 200));

  api.openapi(readyRoute, async (c) => {
    const caller = await requireKey(c, lookup);
    // Hosts and processes are for operators alone.
    const named = (worker: string): string =>
      caller !== undefined && seesEverything(caller) ? worker : 'A worker';
    const { dispatch, records, storage, draining } = c.var.deps;
    const [temporal, postgres, s3, recognition, sandbox] = await Promise.all([
      verdictOf(() => dispatch.engine.ping()),
      verdictOf(() => records.ping()),
      verdictOf(() => storage.ping({ deadlineMs })),
      verdictOf(() => servedModel(records.db, named)),
      verdictOf(() => requireSandbox(records.db, named)),
    ]);
    const all = temporal.ready && postgres.ready && s3.ready;
    const status = draining.aborted ? 'draining' : all ? 'ready' : 'degraded';
    const told = { status, temporal, postgres, s3, recognition, sandbox } as const;
    return c.json(told, status === 'ready' ? 200 : 503);
  });
}

/** What a worker is called to whoever asks. */
type Named = (worker: string) => string;

/** What is missing in some worker, though nothing that must be there. Throws what must. */
async function requireSandbox(db: Db, named: Named): Promise<string | undefined> {
  const told = await toldSandboxes(db);
  if (told.length === 0) throw new Error('No worker has told of it; none may be running.');
  const missing = told
    .filter(({ sandbox }) => sandbox.missing.length > 0)
    .map(({ worker, sandbox }) => `${named(worker)} is without ${sandbox.missing.join('; ')}`)
    .join('. ');
  if (told.some(({ sandbox }) => sandboxLacks(sandbox).length > 0)) throw new Error(missing);
  return missing === '' ? undefined : missing;
}

/** Throws why no worker has a model open; where some have, tells which others have not. */
async function servedModel(db: Db, named: Named): Promise<string | undefined> {
  const [served, problems] = await Promise.all([servedModels(db), modelProblems(db)]);
  const [first] = problems;
  if (served.length === 0)
    throw new Error(first?.problem.detail ?? 'No worker has told of its model; none may be running.');
  return (
    first && `${problems.length} of the workers have none. ${named(first.worker)}: ${first.problem.detail}`
  );
}

/** While keys cannot be looked up, this is what tells why: then anybody may read it, and nobody is told here. */
async function requireKey(c: ApiContext, lookup: KeyLookup): Promise<Actor | undefined> {
  const away = new ProblemError('records_unavailable', `Postgres did not answer within ${deadlineMs} ms.`);
  try {
    const caller = await within(callerOf(c, lookup), away);
    c.set('caller', caller);
    return caller;
  } catch (error) {
    if (!(error instanceof ProblemError && error.code === 'records_unavailable')) throw error;
    return undefined;
  }
}

/** What `ask` throws, or the text it gives, is the detail. */
async function verdictOf(ask: () => Promise<unknown>): Promise<Verdict> {
  const began = performance.now();
  const ms = (): number => Math.round((performance.now() - began) * 10) / 10;
  try {
    const said = await within(ask(), new Error(`No answer within ${deadlineMs} ms.`));
    return { ready: true, ms: ms(), ...(typeof said === 'string' && { detail: said }) };
  } catch (error) {
    return { ready: false, ms: ms(), detail: error instanceof Error ? error.message : String(error) };
  }
}

async function within<T>(work: Promise<T>, late: Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), deadlineMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
