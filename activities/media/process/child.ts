/** The parent's side of the decoder's process: starts it, gives it bytes, watches it, ends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type ProblemCode, ProblemError, problemKinds, type VideoInfo, videoInfo } from '@darkroom/contract';
import type { VideoLimits } from '../decode/reader.ts';
import type { SplitCursor, SplitEvent, SplitRequest } from '../split/split.ts';
import { AnswerQueue } from './answers.ts';
import { sandboxed } from './sandbox.ts';
import {
  type EventHead,
  frameMessage,
  type Message,
  MessageParser,
  type Task,
  type ToParent,
} from './wire.ts';

/** Where the bytes of a video come from. */
export interface RangeSource {
  readonly size: number;
  /** `length` bytes from `offset` on; fewer only at the end. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}

export interface DecoderLimits extends VideoLimits {
  /** Resident memory of the process, bytes. */
  readonly memoryBytes: number;
  /** Seconds without a sign of life; waiting for bytes or for the reader of its answers does not count. */
  readonly stallSeconds: number;
}

export interface ChildOptions {
  readonly limits: DecoderLimits;
  readonly signal: AbortSignal;
  readonly onChild?: (pid: number) => void;
  /** Milliseconds of a clock that never goes back; by default the system's. */
  readonly now?: () => number;
}

/** The process ended by itself, without an answer. */
export class ChildDied extends Error {
  override readonly name = 'ChildDied';
  readonly signal: NodeJS.Signals | null;
  readonly exitCode: number | null;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;

  constructor({ signalCode, exitCode }: ChildProcess, stderr: string) {
    const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
    super(`The decoder’s process ended ${how}. ${stderr.trim().slice(-500)}`.trim());
    this.signal = signalCode;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** The process gave no sign of life for too long. */
export class ChildStalled extends Error {
  override readonly name = 'ChildStalled';

  constructor(seconds: number) {
    super(`The decoder’s process gave no sign of life for ${seconds} s.`);
  }
}

/**
 * What a video says of itself. Throws ProblemError (codes: see `openVideo`; `memory_limit`, `item_timeout`), ChildDied, ChildStalled,
 * the signal's reason, what the source throws. The process is gone when this settles.
 */
export async function probeVideo(source: RangeSource, options: ChildOptions): Promise<VideoInfo> {
  for await (const { head } of converse(source, { do: 'probe', ...told(source, options) }, options))
    if (head.type === 'probed') return videoInfo.parse(head.info);
  throw new Error('The decoder’s process left without an answer.');
}

/**
 * Scenes of a video from `cursor` on, or from its beginning. The process works ahead of whoever takes the events, within bounds.
 * Throws as `probeVideo`, and what `split` throws; returning early ends the process and waits until it is gone.
 */
export async function* splitVideo(
  source: RangeSource,
  { cursor, ...request }: SplitRequest & { readonly cursor?: SplitCursor },
  options: ChildOptions,
): AsyncGenerator<SplitEvent, void, undefined> {
  const start = cursor === undefined ? {} : { cursor };
  const task: Task = { do: 'split', ...told(source, options, request.candidateBytes), request, ...start };
  for await (const { head, body } of converse(source, task, options))
    if (head.type === 'event') yield eventOf(head.event, body);
}

/** A picture that only FFmpeg reads (HEIC): upright, 8-bit RGB, rows from the top without padding. Throws as `probeVideo`. */
export async function decodePicture(
  bytes: Uint8Array,
  options: ChildOptions,
): Promise<{ rgb: Uint8Array; width: number; height: number }> {
  const source = {
    size: bytes.length,
    read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
  };
  for await (const { head, body } of converse(source, { do: 'picture', ...told(source, options) }, options))
    if (head.type === 'picture') return { rgb: body, width: head.width, height: head.height };
  throw new Error('The decoder’s process left without an answer.');
}

/** Of probe and picture, seconds without those spent waiting for bytes: they look at little of a file. */
const SHORT_TASK_SECONDS = 30;
/** Until a file is open, seconds of computing: some few bytes stand for work without end. */
const OPENING_SECONDS = 3;
const WATCH_MS = 100;
const STDERR_KEPT = 8 << 10;
const MOST_READ = 64 << 20;
/** glibc gives what is freed back to the system sooner, and sets no heap of its own aside for each of the decoder's threads. */
const thrift = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '1048576' };
const main = fileURLToPath(new URL('child-main.ts', import.meta.url));

const told = (
  { size }: { size: number },
  { limits: { pixels, seconds, memoryBytes } }: ChildOptions,
  keptBytes = 0,
) => ({ size, limits: { pixels, seconds, memoryBytes, keptBytes } });

function eventOf(event: EventHead, body: Uint8Array): SplitEvent {
  if (event.type !== 'scene') return event;
  const { imageBytes, ...scene } = event;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  return { ...scene, image: bytes.subarray(0, imageBytes), input: bytes.subarray(imageBytes) };
}

/** The answers of a child to one task, in order. */
async function* converse(
  source: RangeSource,
  task: Task,
  options: ChildOptions,
): AsyncGenerator<Message<ToParent>, void, undefined> {
  const { limits, signal } = options;
  signal.throwIfAborted();
  const flags = ['--max-old-space-size=256', '--max-semi-space-size=2'];
  const command = await sandboxed({ file: process.execPath, args: [...flags, main] }, limits.memoryBytes);
  const child = spawn(command.file, command.args, {
    cwd: '/',
    detached: true,
    env: thrift,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.pid === undefined) throw await new Promise<Error>((resolve) => child.once('error', resolve));
  options.onChild?.(child.pid);
  const answers = new AnswerQueue();
  const watch = new Watch(child, task, options, (error) => answers.failNow(error));
  const abort = () => answers.failNow(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  void pump(child, source, task, answers, watch, signal).catch((error) => answers.fail(error));
  try {
    yield* answers.take();
  } finally {
    signal.removeEventListener('abort', abort);
    watch.end();
    answers.close();
    kill(child);
    (child.stdio[3] as Duplex | undefined)?.destroy();
    child.stderr?.destroy();
    await gone;
  }
}

/** Carries bytes to the child and its answers to the queue, until the last one. */
async function pump(
  child: ChildProcess,
  source: RangeSource,
  task: Task,
  answers: AnswerQueue,
  watch: Watch,
  signal: AbortSignal,
): Promise<void> {
  const pipe = child.stdio[3] as Duplex;
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  // A write that fails means the child is gone, which the end of the pipe tells as well.
  pipe.on('error', () => {});
  const send = (head: unknown, bodies: readonly Uint8Array[] = []) => {
    for (const bytes of frameMessage(head, bodies)) pipe.write(bytes);
  };
  send({ type: 'task', task });
  const parser = new MessageParser<ToParent>();
  for await (const chunk of untilBroken(pipe)) {
    for (const message of parser.push(chunk)) {
      watch.alive();
      const { head } = message;
      if (head.type === 'read') {
        const bytes = await watch.pausedFor(readFor(head, source, signal));
        send({ type: 'bytes' }, [bytes]);
        continue;
      }
      if (head.type === 'opened') {
        watch.opened();
        continue;
      }
      if (head.type === 'failed') throw failureOf(head.code, head.detail);
      await watch.pausedFor(answers.put(message));
      if (head.type !== 'event') return answers.end();
    }
  }
  await closed;
  throw new ChildDied(child, stderr);
}

/** What comes through a pipe. One that breaks has ended: its other end is gone. */
async function* untilBroken(pipe: Duplex): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* pipe as AsyncIterable<Buffer>;
  } catch (error) {
    if (error !== pipe.errored) throw error;
  }
}

async function readFor(
  { offset, length }: { offset: number; length: number },
  source: RangeSource,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const sensible = Number.isSafeInteger(offset) && offset >= 0 && length > 0 && length <= MOST_READ;
  if (!sensible) throw new Error('The decoder’s process asked for bytes that no file has.');
  return source.read(offset, length, signal);
}

function failureOf(code: string | undefined, detail: string): Error {
  return code !== undefined && code in problemKinds
    ? new ProblemError(code as ProblemCode, detail)
    : new Error(`The decoder failed: ${detail}`);
}

/** The whole group, as it was made the leader of one. */
function kill({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Looks after memory and signs of life of a child. */
class Watch {
  readonly #child: ChildProcess;
  readonly #limits: DecoderLimits;
  readonly #fail: (error: Error) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #now: () => number;
  /** When the task is to have ended; each wait for something that is not the child's puts it off. */
  #deadline: number;
  #aliveAt: number;
  #paused = 0;
  #opened = false;

  constructor(
    child: ChildProcess,
    task: Task,
    { limits, now = () => performance.now() }: Pick<ChildOptions, 'limits' | 'now'>,
    fail: (error: Error) => void,
  ) {
    this.#child = child;
    this.#limits = limits;
    this.#fail = fail;
    this.#now = now;
    this.#aliveAt = now();
    this.#deadline =
      task.do === 'split' ? Number.POSITIVE_INFINITY : this.#aliveAt + SHORT_TASK_SECONDS * 1000;
    this.#timer = setInterval(() => void this.#look(), WATCH_MS);
  }

  alive(): void {
    this.#aliveAt = this.#now();
  }

  opened(): void {
    this.#opened = true;
  }

  /** Waits for something that is not the child's to do. */
  async pausedFor<T>(work: Promise<T>): Promise<T> {
    const since = this.#now();
    this.#paused++;
    try {
      return await work;
    } finally {
      this.#paused--;
      this.#deadline += this.#now() - since;
      this.alive();
    }
  }

  end(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { memoryBytes, stallSeconds } = this.#limits;
    const now = this.#now();
    const works = this.#paused === 0;
    if (works && now - this.#aliveAt > stallSeconds * 1000) this.#fail(new ChildStalled(stallSeconds));
    if (works && now > this.#deadline)
      this.#fail(
        new ProblemError('item_timeout', `Looking at the file took longer than ${SHORT_TASK_SECONDS} s.`),
      );
    if (!this.#opened && (await computingSeconds(this.#child.pid)) > OPENING_SECONDS)
      this.#fail(
        new ProblemError(
          'item_timeout',
          `Opening the file took more than ${OPENING_SECONDS} s of computing.`,
        ),
      );
    const resident = await residentBytes(this.#child.pid);
    if (resident > memoryBytes)
      this.#fail(
        new ProblemError(
          'memory_limit',
          `Decoding took ${Math.round(resident / 1e6)} MB; at most ${Math.round(memoryBytes / 1e6)} MB are given to it here.`,
        ),
      );
  }
}

/** Resident memory of a process; 0 where the system does not tell. */
async function residentBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Ticks a second of the times in /proc, on every Linux. */
const TICKS = 100;

/** Processor time a process has taken; 0 where the system does not tell. */
async function computingSeconds(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // After the name, which may hold anything: state, …, user and system time as the 12th and 13th (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS;
}
