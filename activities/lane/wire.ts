/**
 * Messages between a lane and its parent: four bytes length of the head, four bytes count of bodies, four bytes length of each body (all
 * little-endian), the head as JSON, the bodies. The child has two pipes. On `TASKS` it is given what it is to do, and reads it when it
 * has a moment. On `TALK` it says everything, waiting until it is taken, and gets the bytes it asks for, waiting for them too: four bytes
 * length, then the bytes. So code that never gives way to the event loop can read and tell just as well.
 */

/** Descriptors of the child. */
export const TASKS = 3;
export const TALK = 4;

/** Parent → child. */
export type ToChild =
  | { readonly type: 'open'; readonly setup: unknown }
  | { readonly type: 'run'; readonly run: number; readonly task: string; readonly items: readonly SentItem[] }
  /** The stage that was named may begin; or its item is to end, as nobody wants it any more. */
  | { readonly type: 'go'; readonly run: number; readonly item: number; readonly on: boolean };
/** Its bodies are the next so many of the message. */
export interface SentItem {
  readonly params: unknown;
  readonly bodies: number;
}

export interface Message {
  readonly head: unknown;
  /** Each in memory of its own. */
  readonly bodies: readonly Uint8Array[];
}

const PREFIX_BYTES = 8;
const MOST_HEAD = 4 << 20;
const MOST_BODIES = 4096;

/** A message as the buffers to be written one after the other. */
export function frameMessage(head: object, bodies: readonly Uint8Array[] = []): Uint8Array[] {
  const text = Buffer.from(JSON.stringify(head));
  const prefix = Buffer.alloc(PREFIX_BYTES + 4 * bodies.length);
  prefix.writeUInt32LE(text.length, 0);
  prefix.writeUInt32LE(bodies.length, 4);
  bodies.forEach((body, i) => {
    prefix.writeUInt32LE(body.length, PREFIX_BYTES + 4 * i);
  });
  return [prefix, text, ...bodies.filter(({ length }) => length > 0)];
}

/** Bytes as they come → whole messages. Memory for bodies is taken when their lengths are known, `mostBytes` in all. */
export class MessageParser {
  readonly #mostBytes: number;
  #step: 'prefix' | 'lengths' | 'content' = 'prefix';
  /** What is being filled. */
  #parts: Uint8Array[] = [new Uint8Array(PREFIX_BYTES)];
  #part = 0;
  #filled = 0;
  #headBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Throws when the bytes are no message. `chunk` may be written over afterwards. */
  *push(chunk: Uint8Array): Generator<Message, void, undefined> {
    for (let at = 0; ; ) {
      const part = this.#parts[this.#part];
      if (part === undefined) {
        const message = this.#turn();
        if (message !== undefined) yield message;
      } else if (this.#filled === part.length) {
        this.#part++;
        this.#filled = 0;
      } else if (at === chunk.length) return;
      else {
        const taken = chunk.subarray(at, at + part.length - this.#filled);
        part.set(taken, this.#filled);
        this.#filled += taken.length;
        at += taken.length;
      }
    }
  }

  /** What the filled parts mean. */
  #turn(): Message | undefined {
    const [first = new Uint8Array(0), ...bodies] = this.#parts;
    const numbers = new DataView(first.buffer, first.byteOffset, first.length);
    if (this.#step === 'prefix') {
      this.#headBytes = numbers.getUint32(0, true);
      const count = numbers.getUint32(4, true);
      if (this.#headBytes > MOST_HEAD || count > MOST_BODIES) throw new NoMessage();
      this.#fill('lengths', [new Uint8Array(4 * count)]);
    } else if (this.#step === 'lengths') {
      const lengths = Array.from({ length: first.length / 4 }, (_, i) => numbers.getUint32(4 * i, true));
      if (lengths.reduce((sum, length) => sum + length, 0) > this.#mostBytes) throw new NoMessage();
      this.#fill(
        'content',
        [this.#headBytes, ...lengths].map((length) => new Uint8Array(length)),
      );
    } else {
      this.#fill('prefix', [new Uint8Array(PREFIX_BYTES)]);
      return { head: JSON.parse(Buffer.from(first.buffer).toString()), bodies };
    }
    return undefined;
  }

  #fill(step: 'prefix' | 'lengths' | 'content', parts: Uint8Array[]): void {
    this.#step = step;
    this.#parts = parts;
    this.#part = 0;
    this.#filled = 0;
  }
}

export class NoMessage extends Error {
  override readonly name = 'NoMessage';

  constructor() {
    super('What came through the pipe is no message, or more than one may have.');
  }
}
