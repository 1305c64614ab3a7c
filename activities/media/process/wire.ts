/**
 * Messages between the decoder's process and its parent, over one duplex pipe: four bytes length of the head, four bytes length of the
 * body (both little-endian), the head as JSON, the body as bytes.
 */
import type { VideoInfo } from '@darkroom/contract';
import type { VideoLimits } from '../decode/reader.ts';
import type { SplitCursor, SplitEvent, SplitRequest } from '../split/split.ts';

/** What a child is started for. */
export type Task =
  | { readonly do: 'probe'; readonly size: number; readonly limits: VideoLimits }
  | {
      readonly do: 'split';
      readonly size: number;
      readonly limits: VideoLimits;
      readonly request: SplitRequest;
      readonly cursor?: SplitCursor;
    }
  | { readonly do: 'picture'; readonly size: number; readonly limits: VideoLimits };

/** A scene with its two pictures taken out: their bytes are the body, the image first. */
type Scene = Extract<SplitEvent, { type: 'scene' }>;
export type SceneHead = Omit<Scene, 'image' | 'input'> & { readonly imageBytes: number };
export type EventHead = Exclude<SplitEvent, Scene> | SceneHead;

/** Parent → child: the task, then the answer to each `read`. */
export type ToChild = { readonly type: 'task'; readonly task: Task } | { readonly type: 'bytes' };

/** Child → parent. */
export type ToParent =
  | { readonly type: 'read'; readonly offset: number; readonly length: number }
  /** The file is open: from now on time goes by what there is in it. */
  | { readonly type: 'opened' }
  | { readonly type: 'event'; readonly event: EventHead }
  | { readonly type: 'probed'; readonly info: VideoInfo }
  /** The body is the picture: 8-bit RGB, rows from the top. */
  | { readonly type: 'picture'; readonly width: number; readonly height: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly code: string | undefined; readonly detail: string };

export interface Message<Head> {
  readonly head: Head;
  readonly body: Uint8Array;
}

export const PREFIX_BYTES = 8;
const MOST_HEAD = 1 << 20;
const MOST_BODY = 1 << 30;

/** A message as the buffers to be written one after the other. */
export function frameMessage(head: unknown, bodies: readonly Uint8Array[] = []): Uint8Array[] {
  const text = Buffer.from(JSON.stringify(head));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32LE(text.length, 0);
  prefix.writeUInt32LE(
    bodies.reduce((sum, body) => sum + body.length, 0),
    4,
  );
  return [prefix, text, ...bodies];
}

/** Lengths of head and body from the eight bytes before them. Throws when they are no message's. */
export function lengthsOf(prefix: Uint8Array): { head: number; body: number } {
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  const head = view.getUint32(0, true);
  const body = view.getUint32(4, true);
  if (head > MOST_HEAD || body > MOST_BODY) throw new Error('The decoder’s process sent what is no message.');
  return { head, body };
}

/** A message from its two parts. */
export function parseMessage<Head>(head: Uint8Array, body: Uint8Array): Message<Head> {
  return {
    head: JSON.parse(Buffer.from(head.buffer, head.byteOffset, head.length).toString()) as Head,
    body,
  };
}

/** Bytes as they come → whole messages. */
export class MessageParser<Head> {
  #chunks: Uint8Array[] = [];
  #length = 0;
  #lengths: { head: number; body: number } | undefined;

  *push(chunk: Uint8Array): Generator<Message<Head>, void, undefined> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    for (;;) {
      if (this.#lengths === undefined) {
        if (this.#length < PREFIX_BYTES) return;
        this.#lengths = lengthsOf(this.#take(PREFIX_BYTES));
      }
      const { head, body } = this.#lengths;
      if (this.#length < head + body) return;
      this.#lengths = undefined;
      yield parseMessage<Head>(this.#take(head), this.#take(body));
    }
  }

  /** In memory of its own. */
  #take(length: number): Uint8Array {
    const taken = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const [first] = this.#chunks as [Uint8Array];
      const part = first.subarray(0, length - filled);
      taken.set(part, filled);
      filled += part.length;
      if (part.length === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(part.length);
    }
    this.#length -= length;
    return taken;
  }
}
