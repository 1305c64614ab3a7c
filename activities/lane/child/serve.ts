/** The child's side of a lane. */
import fs from 'node:fs';
import { Socket } from 'node:net';
import { ProblemError } from '@darkroom/contract/problems/problem.ts';
import type { ToParent } from '../parent/said.ts';
import { held } from '../sandbox/held.ts';
import type {
  EventGiven,
  LaneShape,
  ParamsTaken,
  ResultGiven,
  SetupTaken,
  StageName,
  TaskShape,
} from '../shape.ts';
import { frameMessage, MessageParser, TALK, TASKS, type ToChild } from '../wire.ts';

/** One item of a list, in the child. */
export interface Item<T extends TaskShape> {
  readonly params: ParamsTaken<T>;
  /** Each in memory of its own, which the handler may give back or write to. */
  readonly bodies: readonly Uint8Array[];
  /** Enters a stage when the parent says so. Throws when nobody wants the item any more. */
  stage(name: StageName<T>): Promise<void>;
  /** What there is to do is known: the parent's `beginSeconds` are over. */
  begun(): void;
  /** Bytes of the item's source; fewer than `length` only at its end. Blocks the thread until they are there. */
  read(offset: number, length: number): Uint8Array;
  /** Blocks the thread while the parent takes no more. */
  event(event: EventGiven<T>, bodies?: readonly Uint8Array[]): void;
  answer(result: ResultGiven<T>, bodies?: readonly Uint8Array[]): void;
  fail(error: unknown): void;
}

/** Answers each item; whatever is left when it settles is answered with what it threw. */
export type Handler<T extends TaskShape> = (items: readonly Item<T>[]) => void | Promise<void>;

export interface Handlers<S extends LaneShape> {
  /** Opens what the lane holds. A ProblemError it throws is told as such. */
  open(setup: SetupTaken<S>): S['told']['_zod']['input'] | Promise<S['told']['_zod']['input']>;
  readonly tasks: { readonly [K in keyof S['tasks']]: Handler<S['tasks'][K]> };
}

/** A handler that takes one item after the other, and fails each by itself. */
export function each<T extends TaskShape>(work: (item: Item<T>) => void | Promise<void>): Handler<T> {
  return async (items) => {
    for (const item of items) {
      try {
        await work(item);
      } catch (error) {
        item.fail(error);
      }
    }
  };
}

/** Takes tasks from the parent for as long as there is one. Lists are begun as they come, while others are under way. */
export function serve<S extends LaneShape>(handlers: Handlers<S>): void {
  const waiting = new Map<string, (on: boolean) => void>();
  const parser = new MessageParser(Number.POSITIVE_INFINITY);
  const memory = Buffer.allocUnsafeSlow(READ_BYTES);

  const hear = (head: ToChild, bodies: readonly Uint8Array[]): void => {
    if (head.type === 'open') void open(handlers, head.setup);
    else if (head.type === 'go') waiting.get(`${head.run}/${head.item}`)?.(head.on);
    else {
      const rest = bodies.values();
      const items = head.items.map(
        ({ params, bodies: count }, item) =>
          new GivenItem(head.run, item, params, [...rest.take(count)], waiting),
      );
      void work(handlers.tasks[head.task], items);
    }
  };
  // Nobody waits for an answer any more. Not by falling off the end: what native code still holds need not be taken apart.
  const leave = () => process.exit(0);
  new Socket({
    fd: TASKS,
    readable: true,
    writable: false,
    onread: {
      buffer: memory,
      callback: (length) => {
        for (const { head, bodies } of parser.push(memory.subarray(0, length))) hear(head as ToChild, bodies);
        return true;
      },
    },
  })
    .on('end', leave)
    .on('error', leave);
}

const READ_BYTES = 256 << 10;

async function open<S extends LaneShape>(handlers: Handlers<S>, setup: unknown): Promise<void> {
  try {
    const told = await handlers.open(setup as SetupTaken<S>);
    if (held.report === undefined) throw new Error('The module of a lane is loaded by its launcher.');
    tell({ type: 'open', told, sandbox: held.report });
  } catch (error) {
    tell({ type: 'unopened', ...failureOf(error) });
  }
}

async function work<T extends TaskShape>(
  handler: Handler<T> | undefined,
  items: readonly GivenItem<T>[],
): Promise<void> {
  let thrown: unknown = new Error('The task ended without an answer to it.');
  try {
    await handler?.(items);
  } catch (error) {
    thrown = error;
  }
  for (const item of items) item.fail(thrown);
}

class GivenItem<T extends TaskShape> implements Item<T> {
  readonly params: ParamsTaken<T>;
  readonly bodies: readonly Uint8Array[];
  readonly #of: { readonly run: number; readonly item: number };
  readonly #waiting: Map<string, (on: boolean) => void>;
  #answered = false;

  constructor(
    run: number,
    item: number,
    params: unknown,
    bodies: readonly Uint8Array[],
    waiting: Map<string, (on: boolean) => void>,
  ) {
    this.#of = { run, item };
    this.params = params as ParamsTaken<T>;
    this.bodies = bodies;
    this.#waiting = waiting;
  }

  async stage(name: StageName<T>): Promise<void> {
    const { run, item } = this.#of;
    const key = `${run}/${item}`;
    const on = await new Promise<boolean>((resolve) => {
      this.#waiting.set(key, resolve);
      tell({ type: 'stage', ...this.#of, stage: name });
    });
    this.#waiting.delete(key);
    if (!on) throw new Error('Nobody wants the item any more.');
  }

  begun(): void {
    tell({ type: 'begun', ...this.#of });
  }

  read(offset: number, length: number): Uint8Array {
    tell({ type: 'read', ...this.#of, offset, length });
    const prefix = readExactly(4);
    return readExactly(new DataView(prefix.buffer).getUint32(0, true));
  }

  event(event: EventGiven<T>, bodies: readonly Uint8Array[] = []): void {
    tell({ type: 'event', ...this.#of, event }, bodies);
  }

  answer(result: ResultGiven<T>, bodies: readonly Uint8Array[] = []): void {
    if (this.#answered) throw new Error('An item is answered once.');
    this.#answered = true;
    tell({ type: 'result', ...this.#of, result }, bodies);
  }

  fail(error: unknown): void {
    if (this.#answered) return;
    this.#answered = true;
    tell({ type: 'failed', ...this.#of, ...failureOf(error) });
  }
}

const failureOf = (error: unknown): Pick<Extract<ToParent, { type: 'failed' }>, 'code' | 'detail'> => ({
  ...(error instanceof ProblemError ? { code: error.code } : {}),
  detail: error instanceof Error ? error.message : String(error),
});

function tell(head: ToParent, bodies: readonly Uint8Array[] = []): void {
  for (const bytes of frameMessage(head, bodies))
    for (let sent = 0; sent < bytes.length; ) sent += fs.writeSync(TALK, bytes, sent);
}

function readExactly(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let got = 0; got < length; ) {
    const read = fs.readSync(TALK, bytes, got, length - got, null);
    if (read === 0) process.exit(0);
    got += read;
  }
  return bytes;
}
