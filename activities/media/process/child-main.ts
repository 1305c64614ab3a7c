/** The decoder's process: does one task, reads what it needs through its parent, and opens nothing. Started by `child.ts`. */
import fs from 'node:fs';
import { ProblemError } from '@darkroom/contract';
import { AV_LOG_ERROR } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { readPicture } from '../decode/heic.ts';
import { type ByteSource, openVideo } from '../decode/reader.ts';
import { type SplitEvent, split } from '../split/split.ts';
import {
  frameMessage,
  lengthsOf,
  type Message,
  PREFIX_BYTES,
  parseMessage,
  type Task,
  type ToChild,
  type ToParent,
} from './wire.ts';

const PIPE = 3;

function readExactly(length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  for (let got = 0; got < length; ) {
    const read = fs.readSync(PIPE, bytes, got, length - got, null);
    // The parent is gone: nobody waits for an answer.
    if (read === 0) process.exit(0);
    got += read;
  }
  return bytes;
}

function receive(): Message<ToChild> {
  const lengths = lengthsOf(readExactly(PREFIX_BYTES));
  return parseMessage(readExactly(lengths.head), readExactly(lengths.body));
}

function send(head: ToParent, bodies: readonly Uint8Array[] = []): void {
  for (const bytes of frameMessage(head, bodies))
    for (let sent = 0; sent < bytes.length; ) sent += fs.writeSync(PIPE, bytes, sent);
}

const sourceOf = (size: number): ByteSource => ({
  size,
  read(offset, length) {
    const wanted = Math.min(length, size - offset);
    if (wanted <= 0) return new Uint8Array(0);
    send({ type: 'read', offset, length: wanted });
    return receive().body;
  },
});

function sendEvent(event: SplitEvent): void {
  if (event.type === 'scene') {
    const { image, input, ...rest } = event;
    send({ type: 'event', event: { ...rest, imageBytes: image.length } }, [image, input]);
  } else send({ type: 'event', event });
}

function work(task: Task): void {
  const source = sourceOf(task.size);
  if (task.do === 'picture') {
    const { rgb, width, height } = readPicture(source, task.limits);
    send({ type: 'picture', width, height }, [rgb]);
    return;
  }
  const reader = openVideo(source, task.limits);
  send({ type: 'opened' });
  if (task.do === 'probe') {
    send({ type: 'probed', info: reader.info });
    return;
  }
  for (const event of split(reader, task.request, task.cursor)) sendEvent(event);
  send({ type: 'done' });
}

Log.setLevel(AV_LOG_ERROR);
const { head } = receive();
try {
  if (head.type !== 'task') throw new Error('The first message is the task.');
  work(head.task);
} catch (error) {
  send({
    type: 'failed',
    code: error instanceof ProblemError ? error.code : undefined,
    detail: error instanceof Error ? error.message : String(error),
  });
}
// Not by falling off the end: what FFmpeg still holds need not be taken apart.
process.exit(0);
