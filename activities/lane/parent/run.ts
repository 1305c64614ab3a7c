/** One list of items in a lane: what was given, what is answered by now, how long it may take. */
import { ProblemError } from '@darkroom/contract/problems/problem.ts';
import type { EventTaken, Params, Result, StageName, TaskShape } from '../shape.ts';
import { AnswerQueue } from './answers.ts';
import type { ToParent } from './said.ts';
import type { ChildTime } from './watch.ts';

/** Where bytes come from that a child asks for. */
export interface RangeSource {
  readonly size: number;
  /** `length` bytes from `offset` on; fewer only at the end. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}

export interface LaneItem<T extends TaskShape> {
  readonly params: Params<T>;
  /** Not to be changed until the item is answered. */
  readonly bodies?: readonly Uint8Array[];
  /** What the child's `read` reads. */
  readonly source?: RangeSource;
}

/** What comes of an item, `item` its place in the list: any number of events, then one of the others. */
export type LaneAnswer<T extends TaskShape> =
  | Told<{ readonly type: 'event'; readonly event: EventTaken<T> }>
  | Told<{ readonly type: 'result'; readonly result: Result<T> }>
  /** ProblemError with the child's code, or what `onStage` threw, or an Error that nobody foresaw. */
  | Told<{ readonly type: 'failed'; readonly error: unknown }>;
type Told<A> = A & { readonly item: number; readonly bodies: readonly Uint8Array[] };

export interface RunOptions<T extends TaskShape> {
  /** Its abort ends the lane, and with it all that is in it. */
  readonly signal?: AbortSignal;
  /** Of the whole list, from when it is handed over; waiting for its parent does not count. */
  readonly deadlineSeconds?: number;
  /** Of processor time until the child has `begun`, for files of which a few bytes stand for work without end; of lists of one. */
  readonly beginSeconds?: number;
  /** Waited for as a child enters a stage; what it throws is the end of that item. */
  readonly onStage?: (stage: StageName<T>, item: number, pid: number) => void | Promise<void>;
}

export class Run<T extends TaskShape> {
  readonly answers = new AnswerQueue<LaneAnswer<T>>();
  readonly items: readonly LaneItem<T>[];
  readonly #task: T;
  readonly #options: RunOptions<T>;
  readonly #unanswered: Set<number>;
  /** Items whose stage is being entered. */
  readonly #entering = new Set<number>();
  readonly #refused = new Map<number, unknown>();
  readonly #deadline: number;
  /** Processor time of the child when it was first looked at; undefined before that. */
  #computedBefore: number | undefined;
  #begun = false;

  /** `worked`: of `ChildTime`, as it is handed over. */
  constructor(task: T, items: readonly LaneItem<T>[], options: RunOptions<T>, worked: number) {
    this.#task = task;
    this.items = items;
    this.#options = options;
    this.#unanswered = new Set(items.keys());
    this.#deadline = worked + (options.deadlineSeconds ?? Number.POSITIVE_INFINITY);
    if (items.length === 0) this.answers.end();
  }

  /** Items without an answer. */
  get left(): number {
    return this.#unanswered.size;
  }

  /** Takes what the child says of an item; settles when there is room for more. Throws when it says what it may not. */
  async take(said: Extract<ToParent, { item: number }>, bodies: readonly Uint8Array[]): Promise<void> {
    const { item } = said;
    if (!this.#unanswered.has(item)) throw new Error(`There is no item ${item} to answer.`);
    if (said.type === 'begun') this.#begun = true;
    else if (said.type === 'event')
      await this.answers.put({ item, type: 'event', event: this.#eventOf(said.event), bodies });
    else if (said.type === 'result') {
      const result = this.#task.result.parse(said.result) as Result<T>;
      await this.#answer({ item, type: 'result', result, bodies });
    } else if (said.type === 'failed') {
      const error = this.#refused.has(item) ? this.#refused.get(item) : failureOf(said);
      await this.#answer({ item, type: 'failed', error, bodies: [] });
    }
  }

  /** Whether the stage may begin. */
  async enter({ item, stage }: Extract<ToParent, { type: 'stage' }>, pid: number): Promise<boolean> {
    const known = this.#task.stages?.includes(stage) === true;
    if (!known || !this.#unanswered.has(item) || this.#entering.has(item))
      throw new Error(`Item ${item} has no stage ${stage} to enter.`);
    this.#entering.add(item);
    try {
      await this.#options.onStage?.(stage as StageName<T>, item, pid);
      return true;
    } catch (error) {
      this.#refused.set(item, error);
      return false;
    } finally {
      this.#entering.delete(item);
    }
  }

  /** The problem it has with its time, if any. */
  overdue({ worked, computed }: ChildTime): ProblemError | undefined {
    const { deadlineSeconds, beginSeconds = Number.POSITIVE_INFINITY } = this.#options;
    if (worked > this.#deadline)
      return new ProblemError('item_timeout', `It took longer than ${deadlineSeconds} s.`);
    this.#computedBefore ??= computed;
    if (!this.#begun && computed - this.#computedBefore > beginSeconds)
      return new ProblemError('item_timeout', `Opening it took more than ${beginSeconds} s of computing.`);
    return undefined;
  }

  async #answer(answer: LaneAnswer<T>): Promise<void> {
    this.#unanswered.delete(answer.item);
    const put = this.answers.put(answer);
    if (this.left === 0) this.answers.end();
    await put;
  }

  #eventOf(event: unknown): EventTaken<T> {
    if (this.#task.event === undefined) throw new Error('The task has no events.');
    return this.#task.event.parse(event) as EventTaken<T>;
  }
}

export function failureOf({
  code,
  detail,
}: {
  readonly code?: ProblemError['code'] | undefined;
  readonly detail: string;
}): Error {
  return code === undefined ? new Error(detail) : new ProblemError(code, detail);
}
