/** Clients that ask for predictions one after the other, each knowing what the answer to its own picture is. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { makePhotos, type Photo } from '../photos.ts';
import { until } from '../platform.ts';
import { lostBehind } from './balancer.ts';

const document = z.looseObject({
  id: z.int().optional(),
  code: z.string().optional(),
  result: z.int().nullish(),
  top: z.array(z.unknown()).optional(),
});

export interface KnownPicture extends Photo {
  /** What the model says of it, asked alone; undefined of what is no picture. */
  readonly answer: string | undefined;
}

/** What becomes of a request. Moments are milliseconds of `performance.now()`. */
export interface Asked {
  readonly picture: KnownPicture;
  readonly began: number;
  readonly ended: number;
  /** Undefined where the client left, or its connection ended. */
  readonly status?: number;
  readonly code?: string | undefined;
  readonly id?: number | undefined;
  readonly answer?: string;
  /** The upstream that was lost with the request. */
  readonly lost?: string | undefined;
  /** What ended the connection, of a client that did not leave. */
  readonly broken?: string;
}

export interface Crowd {
  readonly url: string;
  readonly key: string;
  readonly pictures: readonly KnownPicture[];
  readonly clients: number;
  /** Seconds that each gives its answer. */
  readonly deadline: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Shares of those that send what is no picture, and of those that leave. */
  readonly corrupt: number;
  readonly leaving: number;
}

/** Something that is done to those who answer. */
export type Blow = () => Promise<unknown>;

export interface Blows {
  /** Requests at least. */
  readonly least: number;
  /** Dealt one after the other, at equal shares of the requests. */
  readonly blows: readonly Blow[];
  readonly onBlow?: (done: number) => void;
}

/** Longest time that a client waits before it leaves. */
const leavesWithinMs = 150;
const boundary = 'a-boundary-of-the-tests';

/** So many pictures, unlike each other, each with what is said of it when nothing else is asked. */
export async function knownPictures(count: number, at: Pick<Crowd, 'url' | 'key'>) {
  const known: KnownPicture[] = [];
  for (const photo of await makePhotos(count)) {
    const picture = { ...photo, answer: undefined };
    const { status, answer } = await askOnce({ ...at, deadline: 60, agent: new Agent() }, picture);
    if (status !== 200) throw new Error(`${photo.name} alone was answered ${status}.`);
    known.push({ ...photo, answer });
  }
  const answers = new Set(known.map(({ answer }) => answer));
  if (answers.size < count) throw new Error('Two pictures have the same answer.');
  return known;
}

/** Asks until there were enough and all blows have been dealt; what became of each request. */
export async function askUnderBlows(crowd: Crowd, { least, blows, onBlow }: Blows): Promise<Asked[]> {
  let [done, dealt] = [0, 0];
  const asking = askInCrowd(crowd, (now) => {
    done = now;
    return now < least || dealt < blows.length;
  });
  try {
    for (const blow of blows) {
      const due = ((dealt + 1) * least) / (blows.length + 1);
      await until(async () => done >= due, { seconds: 1800, what: `${due} predictions` });
      onBlow?.(done);
      await blow();
      dealt++;
    }
  } finally {
    dealt = blows.length;
  }
  return asking;
}

async function askInCrowd(options: Crowd, goesOn: (done: number) => boolean): Promise<Asked[]> {
  const { pictures, random } = options;
  const all: Asked[] = [];
  const client = async (): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (goesOn(all.length)) {
      const picture = pictures[Math.floor(random() * pictures.length)]!;
      const kind = random();
      const sent = kind < options.corrupt ? corrupted(picture) : picture;
      const leaves = kind > 1 - options.leaving ? random() * leavesWithinMs : undefined;
      all.push(await askOnce({ ...options, agent }, sent, leaves));
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: options.clients }, client));
  return all;
}

/** The beginning of a picture, with nothing of what it shows. */
const corrupted = ({ name, bytes }: Photo): KnownPicture => ({
  name,
  bytes: bytes.subarray(0, 200),
  answer: undefined,
});

async function askOnce(
  { url, key, deadline, agent }: Pick<Crowd, 'url' | 'key' | 'deadline'> & { readonly agent: Agent },
  picture: KnownPicture,
  leavesAfterMs?: number,
): Promise<Asked> {
  const began = performance.now();
  const body = formOf(picture);
  const asked = request(`${url}/v1/predict?detail=true&deadline=${deadline}`, {
    method: 'POST',
    agent,
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': body.length,
    },
  });
  asked.end(body);
  const answered = answerTo(asked);
  if (leavesAfterMs !== undefined) {
    answered.catch(() => {});
    await sleep(leavesAfterMs);
    asked.destroy();
    return { picture, began, ended: performance.now() };
  }
  try {
    const { status, lost, text } = await answered;
    const ended = performance.now();
    if (text === '') return { picture, began, ended, status, lost };
    const { id, code, result, top } = document.parse(JSON.parse(text));
    return { picture, began, ended, status, lost, id, code, answer: JSON.stringify([result, top]) };
  } catch (error) {
    return { picture, began, ended: performance.now(), broken: String(error) };
  }
}

async function answerTo(asked: ReturnType<typeof request>) {
  const [got] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of got.setEncoding('utf8')) text += chunk;
  const lost = got.headers[lostBehind];
  return { status: got.statusCode ?? 0, text, lost: typeof lost === 'string' ? lost : undefined };
}

function formOf({ name, bytes }: Photo): Buffer {
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}
