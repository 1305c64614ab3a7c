/**
 * Failpoints: named places where a test makes a process die, stop, wait or fail. Off unless DARKROOM_FAILPOINTS holds a plan,
 * and always in production.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProblemError, problemCode } from '@darkroom/contract';
import { z } from 'zod';

/** How often a point acts at most; counted over restarts where the plan has a journal. */
const times = z.int().min(1).optional();

const action = z.union([
  /** Ends the process by SIGKILL with this probability. */
  z.strictObject({ kill: z.number().min(0).max(1), times }),
  /** Ends the process by SIGKILL where the detail contains this text. */
  z.strictObject({ killWhen: z.string().min(1), times }),
  /** Ends whichever process comes there first with each of these details by SIGKILL; all that share the journal count together. */
  z.strictObject({ killOnce: z.array(z.string().min(1)).min(1), times }),
  /** Holds up what comes there; where `when` is given, only that whose detail contains it. */
  z.strictObject({ delayMs: z.int().min(0), when: z.string().min(1).optional(), times }),
  /** Stops the process by SIGSTOP; it goes on with SIGCONT. */
  z.strictObject({ stop: z.literal(true), times }),
  /** Throws a ProblemError. */
  z.strictObject({ error: problemCode, times }),
]);
type Action = z.infer<typeof action>;

/**
 * What DARKROOM_FAILPOINTS holds. With the same seed the same hits act. `journal` is a file that gets a line before each act: it
 * carries `times` over restarts, lets a restarted process draw other chances than the one that died, and is what a test reads.
 */
export const failpointPlan = z.strictObject({
  seed: z.int().default(1),
  journal: z.string().optional(),
  points: z.record(z.string(), action),
});
export type FailpointPlan = z.infer<typeof failpointPlan>;

/** A line of the journal. */
export const failpointAct = z.object({
  at: z.string(),
  pid: z.int(),
  point: z.string(),
  detail: z.string().optional(),
  action: z.string(),
});
export type FailpointAct = z.infer<typeof failpointAct>;

/**
 * A place where a test may interfere; `detail` says with what it is reached (a file name, a job id), `pid` which process does the
 * work where that is a child of this one. Await it: it may wait.
 * @throws ProblemError where the plan says so.
 */
export const failpoint: (name: string, detail?: string, pid?: number) => Promise<void> | undefined = armedBy(
  process.env,
);

function armedBy(env: NodeJS.ProcessEnv) {
  const text = env.DARKROOM_FAILPOINTS;
  const production = (env.DARKROOM_MODE ?? env.NODE_ENV) === 'production';
  // A plan that cannot be read is loadConfig's to report.
  const plan = text && !production ? failpointPlan.safeParse(parseJson(text)).data : undefined;
  return plan === undefined ? () => undefined : createFailpoints(plan);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The failpoints of one process under `plan`. */
export function createFailpoints(
  plan: FailpointPlan,
): (name: string, detail?: string, pid?: number) => Promise<void> {
  const earlier = plan.journal === undefined ? [] : readJournal(plan.journal);
  const acted = new Map<string, number>();
  for (const { point } of earlier) acted.set(point, (acted.get(point) ?? 0) + 1);
  const hits = new Map<string, number>();

  return async (name, detail, pid = process.pid) => {
    const planned = plan.points[name];
    if (planned === undefined) return;
    const hit = (hits.get(name) ?? 0) + 1;
    hits.set(name, hit);
    const before = acted.get(name) ?? 0;
    if (planned.times !== undefined && before >= planned.times) return;
    if (!acts(planned, chance(plan.seed, earlier.length, name, hit), detail)) return;
    if ('killOnce' in planned && wasActedOn(plan.journal, name, detail)) return;
    acted.set(name, before + 1);
    announce(plan.journal, name, detail, planned, pid);
    await act(planned, name, pid);
  };
}

function acts(planned: Action, drawn: number, detail: string | undefined): boolean {
  if ('kill' in planned) return drawn < planned.kill;
  if ('killWhen' in planned) return detail?.includes(planned.killWhen) ?? false;
  if ('killOnce' in planned) return detail !== undefined && planned.killOnce.includes(detail);
  if ('delayMs' in planned) return planned.when === undefined || (detail?.includes(planned.when) ?? false);
  return true;
}

/** Whether any process has acted there with that detail, as the journal says now. */
const wasActedOn = (journal: string | undefined, name: string, detail: string | undefined): boolean =>
  journal !== undefined && readJournal(journal).some((act) => act.point === name && act.detail === detail);

/** A number in [0, 1) that depends on nothing but its arguments. `lives` counts acts before this process began. */
function chance(seed: number, lives: number, name: string, hit: number): number {
  const digest = createHash('sha256').update(`${seed}/${lives}/${name}/${hit}`).digest();
  return digest.readUInt32BE(0) / 2 ** 32;
}

async function act(planned: Action, name: string, pid: number): Promise<void> {
  if ('kill' in planned || 'killWhen' in planned || 'killOnce' in planned) process.kill(pid, 'SIGKILL');
  else if ('stop' in planned) process.kill(pid, 'SIGSTOP');
  else if ('delayMs' in planned) await sleep(planned.delayMs);
  else throw new ProblemError(planned.error, `The failpoint ${name} says so.`);
}

function announce(
  journal: string | undefined,
  point: string,
  detail: string | undefined,
  planned: Action,
  pid: number,
): void {
  const { times: _, ...what } = planned;
  const line = JSON.stringify({
    at: new Date().toISOString(),
    pid,
    point,
    detail,
    action: Object.keys(what)[0],
  });
  // Written before the act, by calls that have ended when they return.
  if (journal !== undefined) appendFileSync(journal, `${line}\n`);
  writeSync(2, `failpoint ${line}\n`);
}

function readJournal(path: string): FailpointAct[] {
  return existsSync(path) ? parseJournal(readFileSync(path, 'utf8')) : [];
}

/** The acts in a journal's text; what follows the last line end is still being written, and is not one yet. */
export function parseJournal(text: string): FailpointAct[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => failpointAct.parse(JSON.parse(line)));
}
