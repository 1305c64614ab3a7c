import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test as inTurn } from 'vitest';
import { z } from 'zod';
import { get, paths, put, statusOf, supervisorOf } from './folder.ts';
import { processAt } from './processes.ts';
import {
  clearPrograms,
  type Follower,
  type Parting,
  type Program,
  type ProgramEnd,
  runProgram,
  SupervisorDied,
  TakenOver,
} from './run.ts';
import { markedBy } from './testing.ts';

/** Real programs under real supervisors: some at a time, each test's in a folder of its own, for they wait for most of their time. */

const generous = { seconds: 120, stallSeconds: 60, memoryBytes: 1e9, diskBytes: 1e9 };
let programs = 0;
const shell = (script: string, limits: Partial<Program['limits']> = {}): Program => ({
  name: `p${++programs}`,
  command: '/bin/sh',
  args: ['-c', script],
  limits: { ...generous, ...limits },
});

interface Following {
  readonly lines: string[];
  readonly started: Promise<{ pid: number; takenOver: boolean }>;
  readonly end: Promise<ProgramEnd & { files: string[] }>;
  /** Says `lines` has this one. */
  said(line: string): Promise<void>;
  /** Tells the worker to stop. */
  stop(parting: Parting): void;
}

function followIn(root: string, program: Program, changes: Partial<Follower>) {
  const stop = new AbortController();
  let parting: Parting = 'end';
  const lines: string[] = [];
  const started = Promise.withResolvers<{ pid: number; takenOver: boolean }>();
  const end = runProgram(
    program,
    {
      root,
      claim: 1,
      signal: stop.signal,
      orphanSeconds: 20,
      part: () => parting,
      started: (pid, takenOver) => started.resolve({ pid, takenOver }),
      line: (line) => lines.push(line),
      ...changes,
    },
    async (ended, work) => ({ ...ended, files: await readdir(work) }),
  ).then(async ({ result, release }) => {
    await release('end');
    return result;
  });
  end.catch((error: unknown) => started.reject(error));
  started.promise.catch(() => {});
  const following: Following = {
    lines,
    started: started.promise,
    end,
    said: (line) => expect.poll(() => lines, { timeout: 20_000 }).toContain(line),
    stop(how) {
      parting = how;
      stop.abort(new Error('The worker stops.'));
    },
  };
  const close = async (): Promise<void> => {
    stop.abort(new Error('The test is over.'));
    await end.catch(() => {});
  };
  return { following, close };
}

interface Given {
  /** The folder of the test's programs. */
  readonly root: string;
  readonly follow: (program: Program, changes?: Partial<Follower>) => Following;
}

const test = inTurn.extend<Given>({
  root: async ({ task: _ }, use) => {
    const root = await mkdtemp(join(tmpdir(), 'programs '));
    await use(root);
    await clearPrograms(root);
    await rm(root, { recursive: true, force: true });
  },
  follow: async ({ root }, use) => {
    const closes: (() => Promise<void>)[] = [];
    await use((program, changes = {}) => {
      const { following, close } = followIn(root, program, changes);
      closes.push(close);
      return following;
    });
    await Promise.all(closes.map((close) => close()));
  },
}).concurrent;

const hasEnded = (root: string, { name }: Program) =>
  expect.poll(async () => (await statusOf(join(root, name)))?.state, { timeout: 30_000 }).toBe('ended');

/** Follows without a word. */
const quiet = {
  signal: new AbortController().signal,
  orphanSeconds: 20,
  part: () => 'end' as const,
};

const tokenOf = async (root: string, { name }: Program): Promise<string> =>
  (JSON.parse(await readFile(join(root, name, 'spec.json'), 'utf8')) as { token: string }).token;

test('runs with inputs laid into its folder and no variable of ours, is read and gone', async ({
  root,
  follow,
}) => {
  process.env.SECRET_OF_THE_WORKER = 'secret';
  const program = {
    ...shell('cat input; env | grep -c SECRET; echo more >&2; echo $COLOUR; cp input output'),
    env: { COLOUR: 'green' },
    prepare: async (work: string) => writeFile(join(work, 'input'), 'given\n'),
  };
  const run = follow(program);
  expect(await run.end).toMatchObject({ cause: 'exit', exitCode: 0, files: ['input', 'output'] });
  expect(run.lines.toSorted()).toEqual(['0', 'given', 'green', 'more']);
  expect(existsSync(join(root, program.name))).toBe(false);
});

test('its end is told as it was: by its code, by a signal, by a command that is not there', async ({
  follow,
}) => {
  expect(await follow(shell('echo no >&2; exit 7')).end).toMatchObject({ exitCode: 7, tail: ['no'] });
  expect(await follow(shell('kill -SEGV $$')).end).toMatchObject({ exitCode: null, signal: 'SIGSEGV' });
  const missing = { ...shell(''), command: '/no/such/program' };
  expect(await follow(missing).end).toMatchObject({ exitCode: 127 });
});

test('a worker that stops leaves it to the next one: the same process, each line once', async ({
  follow,
}) => {
  const program = shell('for i in $(seq 1 120); do echo line $i; sleep 0.1; done');
  const first = follow(program);
  await first.said('line 3');
  first.stop('leave');
  await expect(first.end).rejects.toThrow('The worker stops.');
  await sleep(500);
  const second = follow(program, { claim: 2 });
  await second.said('line 60');
  second.stop('leave');
  await expect(second.end).rejects.toThrow('The worker stops.');
  const third = follow(program, { claim: 3 });
  const { pid } = await first.started;
  expect(await second.started).toEqual({ pid, takenOver: true });
  expect(await third.started).toEqual({ pid, takenOver: true });
  expect(await third.end).toMatchObject({ exitCode: 0 });
  const lines = [...first.lines, ...second.lines, ...third.lines];
  expect(lines).toEqual(Array.from({ length: 120 }, (_, index) => `line ${index + 1}`));
});

test('one that ended while nobody followed it is read by the next worker', async ({ root, follow }) => {
  const program = shell('echo done > result; sleep 4; echo said; exit 3');
  const first = follow(program);
  await first.started;
  first.stop('leave');
  await expect(first.end).rejects.toThrow();
  await hasEnded(root, program);
  const second = follow(program, { claim: 2 });
  expect(await second.end).toMatchObject({ exitCode: 3, files: ['result'] });
  expect(second.lines).toEqual(['said']);
});

test('a newer claim takes it over from a worker that still follows it, and an older one is refused', async ({
  follow,
}) => {
  const program = shell('sleep 8; echo done');
  const first = follow(program, { claim: 5 });
  const { pid } = await first.started;
  const second = follow(program, { claim: 6 });
  expect(await second.started).toEqual({ pid, takenOver: true });
  await expect(first.end).rejects.toThrow(TakenOver);
  await expect(follow(program, { claim: 4 }).end).rejects.toThrow(TakenOver);
  expect(await second.end).toMatchObject({ exitCode: 0 });
  expect(second.lines).toEqual(['done']);
});

test('a cancel ends all that it began within seconds, also what left its group and what will not hear', async ({
  root,
  follow,
}) => {
  const program = shell(`
    trap '' TERM
    setsid sh -c 'trap "" TERM; while :; do sleep 1; done' &
    (setsid sh -c 'trap "" TERM; sleep 300 & echo away; wait' &)
    echo here
    while :; do sleep 1; done`);
  const run = follow(program);
  await Promise.all([run.said('here'), run.said('away')]);
  const token = await tokenOf(root, program);
  expect((await markedBy(token)).length).toBeGreaterThanOrEqual(4);
  const began = performance.now();
  run.stop('end');
  await expect(run.end).rejects.toThrow('The worker stops.');
  // Two seconds for those that will not hear; the machine may be busy.
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(await markedBy(token)).toEqual([]);
  expect(existsSync(join(root, program.name))).toBe(false);
});

test('without anybody who follows it, it ends by itself: soon after its fence was lost, else when its time is up', async ({
  root,
  follow,
}) => {
  const [lost, left] = [shell('sleep 300'), shell('sleep 300')];
  const first = follow(lost);
  const second = follow(left, { orphanSeconds: 6 });
  await Promise.all([first.started, second.started]);
  const tokens = await Promise.all([tokenOf(root, lost), tokenOf(root, left)]);
  first.stop('lost');
  second.stop('leave');
  await Promise.all([expect(first.end).rejects.toThrow(), expect(second.end).rejects.toThrow()]);
  for (const token of tokens) await expect.poll(() => markedBy(token), { timeout: 20_000 }).toEqual([]);
  for (const { name } of [lost, left])
    await expect.poll(() => existsSync(join(root, name)), { timeout: 10_000 }).toBe(false);
});

test('one that waits for ever is found; one that is mute but computes, or writes, is not taken for it', async ({
  follow,
}) => {
  const stallSeconds = 3;
  const began = performance.now();
  const [waits, computes, writes] = [
    follow(shell('sleep 300 & wait', { stallSeconds })),
    follow(
      shell('i=0; end=$(($(date +%s) + 8)); while [ $(date +%s) -lt $end ]; do i=$((i+1)); done', {
        stallSeconds,
      }),
    ),
    follow(shell('for i in 1 2 3 4 5 6 7 8; do sleep 1; echo $i > file$i; done', { stallSeconds })),
  ];
  expect(await waits.end).toMatchObject({ cause: 'stalled' });
  const seconds = (performance.now() - began) / 1000;
  // Not before its time, and not long after it; the machine may be busy.
  expect(seconds).toBeGreaterThanOrEqual(stallSeconds);
  expect(seconds).toBeLessThan(stallSeconds + 12);
  expect(await computes.end).toMatchObject({ cause: 'exit', exitCode: 0 });
  expect(await writes.end).toMatchObject({ cause: 'exit', exitCode: 0 });
});

test('is ended by its limits of time, memory and disk, each by its name', async ({ follow }) => {
  const fills = `node -e 'const kept = []; setInterval(() => kept.push(Buffer.alloc(20e6, 1)), 20)'`;
  const [time, memory, disk] = await Promise.all([
    follow(shell('while :; do sleep 0.1; done', { seconds: 2 })).end,
    follow(shell(fills, { memoryBytes: 300e6 })).end,
    follow(shell('head -c 30000000 /dev/zero > big; sleep 60', { diskBytes: 10e6 })).end,
  ]);
  expect(time.cause).toBe('time');
  expect(memory.cause).toBe('memory');
  expect(memory.peakBytes).toBeGreaterThan(300e6);
  expect(disk.cause).toBe('disk');
});

test('output without end takes a bounded place, and what was not kept is said', async ({ root, follow }) => {
  const program = { ...shell('seq 1 200000; echo last'), outputBytes: 100_000 };
  const first = follow(program);
  expect(await first.end).toMatchObject({ exitCode: 0 });
  expect(first.lines.at(-1)).toBe('last');
  const program2 = { ...shell('sleep 4; seq 1 200000; echo last'), outputBytes: 100_000 };
  const left = follow(program2);
  await left.started;
  left.stop('leave');
  await expect(left.end).rejects.toThrow();
  await hasEnded(root, program2);
  const next = follow(program2, { claim: 2 });
  await next.end;
  expect(next.lines[0]).toMatch(/bytes of output were not kept/);
  expect(next.lines.at(-1)).toBe('last');
  // What is read while it is written makes room for more.
  expect(next.lines.length).toBeLessThan(100_000);
});

test('a supervisor that is killed takes the program with it, and whoever follows is told', async ({
  root,
  follow,
}) => {
  const program = shell('trap "" TERM; sleep 300 & wait');
  const run = follow(program);
  await run.started;
  const token = await tokenOf(root, program);
  process.kill((await supervisorOf(join(root, program.name)))!.pid, 'SIGKILL');
  await expect(run.end).rejects.toThrow(SupervisorDied);
  expect(await markedBy(token)).toEqual([]);
});

test('a worker that starts clears what nobody looks after', async ({ root, follow }) => {
  const program = shell('trap "" TERM; sleep 300 & wait');
  const first = follow(program);
  await first.started;
  const token = await tokenOf(root, program);
  first.stop('leave');
  await expect(first.end).rejects.toThrow();
  // It has somebody.
  await clearPrograms(root);
  expect((await markedBy(token)).length).toBeGreaterThan(0);
  process.kill((await supervisorOf(join(root, program.name)))!.pid, 'SIGKILL');
  await sleep(200);
  await clearPrograms(root);
  expect(await markedBy(token)).toEqual([]);
  expect(existsSync(join(root, program.name))).toBe(false);
});

test('clears no process that has got the number of a program that is gone, and not itself where none was started', async ({
  root,
  onTestFinished,
}) => {
  const other = spawn('/bin/sleep', ['300'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void other.kill('SIGKILL'));
  const [before, never] = [`p${++programs}`, `p${++programs}`].map((name) => join(root, name));
  await leaveBehind(before!, { pid: other.pid!, startedAt: 1 });
  await leaveBehind(never!, { pid: 0, startedAt: 0 });
  // In a process and group of its own, which is what pid 0 would mean.
  const code = `import { clearPrograms } from ${JSON.stringify(join(import.meta.dirname, 'run.ts'))};
    await clearPrograms(process.argv[1]);`;
  const clears = spawn(process.execPath, ['--input-type=module', '--eval', code, root], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const end = await once(clears, 'exit');
  const left = [before, never].filter((folder) => existsSync(folder!));
  // Not left to the clearing after the test, which runs in its own group.
  await rm(never!, { recursive: true, force: true });
  expect(end).toEqual([0, null]);
  expect(left).toEqual([]);
  expect(other.signalCode).toBe(null);
  expect(processAt(other.pid!)).toBeDefined();
});

test('what stays in its group is ended with it, though its parent is gone and its environment is empty', async ({
  follow,
}) => {
  const run = follow(shell('env -i sleep 300 & echo $!; sleep 1.5'));
  await run.end;
  expect(processAt(Number(run.lines[0]))).toBeUndefined();
});

/** A folder as a supervisor leaves it that the machine's end has taken away. */
async function leaveBehind(folder: string, program: { pid: number; startedAt: number }): Promise<void> {
  const counts = { seconds: 1, stillSeconds: 0, signs: 1, peakBytes: 0, cpuSeconds: 0 };
  const spec = { command: 'x', args: [], env: {}, limits: generous, outputBytes: 1000, graceMs: 500 };
  await mkdir(folder);
  await put(paths.supervisor(folder), { pid: 2 ** 22, startedAt: 1 });
  await put(paths.spec(folder), { ...spec, token: `${programs}-${process.pid}` });
  await put(paths.status(folder), { program, state: 'running', ...counts });
}

test('its files are there until they are released: who dies with what it has read leaves them to the next one', async ({
  root,
}) => {
  const program = shell('echo $$ > pid; echo said');
  const folder = join(root, program.name);
  const reads = (claim: number) =>
    runProgram(program, { ...quiet, root, claim }, async (_end, work) => readFile(join(work, 'pid'), 'utf8'));
  const first = await reads(1);
  expect(existsSync(folder)).toBe(true);
  const second = await reads(2);
  expect(second.result).toBe(first.result);
  // The older one has nothing to say any more.
  await first.release('end');
  await sleep(500);
  expect(existsSync(folder)).toBe(true);
  await second.release('end');
  expect(existsSync(folder)).toBe(false);
});

test('one that is taken over while its files are read is told, and touches nothing', async ({ root }) => {
  const program = shell('echo done > result');
  const reading = Promise.withResolvers<void>();
  const first = runProgram(program, { ...quiet, root, claim: 1 }, () => {
    reading.resolve();
    return new Promise<never>(() => {});
  });
  first.catch(() => {});
  await reading.promise;
  const second = await runProgram(program, { ...quiet, root, claim: 2 }, async () => 'read');
  await expect(first).rejects.toThrow(TakenOver);
  expect(await readFile(join(root, program.name, 'work', 'result'), 'utf8')).toBe('done\n');
  await second.release('end');
});

test('files in its folder are written whole, however many write at once', async ({ root }) => {
  const path = join(root, 'lease.json');
  await Promise.all(Array.from({ length: 20 }, (_, read) => put(path, { read })));
  expect(await get(path, z.object({ read: z.int() }))).toBeDefined();
  expect(await readdir(root)).toEqual(['lease.json']);
});

test('nobody else can look into its folder, where its arguments and environment are', async ({
  root,
  follow,
}) => {
  const program = shell('sleep 300');
  const run = follow(program);
  await run.started;
  expect((await stat(join(root, program.name))).mode & 0o077).toBe(0);
});

test('a supervisor that hangs is ended: by a cancel, and by whoever needs the name; who waits for that hears a cancel', async ({
  root,
  follow,
}) => {
  const [cancelled, left] = [shell('sleep 300'), shell('sleep 300')];
  const first = follow(cancelled);
  const second = follow(left, { orphanSeconds: 4 });
  await Promise.all([first.started, second.started]);
  const tokens = await Promise.all([tokenOf(root, cancelled), tokenOf(root, left)]);
  for (const { name } of [cancelled, left])
    process.kill((await supervisorOf(join(root, name)))!.pid, 'SIGSTOP');
  first.stop('end');
  second.stop('lost');
  await expect(first.end).rejects.toThrow('The worker stops.');
  await expect(second.end).rejects.toThrow();
  // Its time is up long since.
  const deaf = follow(left, { claim: 2 });
  await sleep(500);
  deaf.stop('lost');
  await expect(deaf.end).rejects.toThrow('The worker stops.');
  const next = follow({ ...left, args: ['-c', 'echo next'] }, { claim: 3 });
  expect(await next.end).toMatchObject({ exitCode: 0 });
  expect(next.lines).toEqual(['next']);
  for (const token of tokens) expect(await markedBy(token)).toEqual([]);
});
