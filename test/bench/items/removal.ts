/** The delete of a large job, and another user's photos meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, runJob } from '../photo/client.ts';
import { onePhoto } from '../photo/recognition.ts';

const everyMs = 500;
const askedEveryMs = 50;
/** Photos that the median without a delete is taken of. */
const alone = 10;

export interface RemovalRun {
  readonly seconds: number;
  /** Another user's photos, in milliseconds. */
  readonly before: number[];
  readonly meanwhile: number[];
}

/** Deletes a job while another user sends a photo every half second; the same before it. */
export async function removeBeside(client: Client, other: Client, id: string): Promise<RemovalRun> {
  // What is opened and compiled with the first photos is not measured.
  for (let n = 1; n <= 3; n++) await runJob(other, onePhoto(n));
  let sent = 0;
  const before = await photosUntil(other, () => ++sent > alone);
  const began = performance.now();
  let seconds: number | undefined;
  const removed = removeJob(client, id).then(() => {
    seconds = (performance.now() - began) / 1000;
  });
  const meanwhile = await photosUntil(other, () => seconds !== undefined);
  await removed;
  return { seconds: seconds ?? Number.NaN, before, meanwhile };
}

/** Sends a photo every half second until `done`, asked before each; one at least. */
async function photosUntil(client: Client, done: () => boolean): Promise<number[]> {
  const sent: Promise<number>[] = [];
  do {
    sent.push(runJob(client, onePhoto(1 + (sent.length % 20))).then(({ wallMs }) => wallMs));
    await sleep(everyMs);
  } while (!done());
  return Promise.all(sent);
}

/** Deletes a job and waits until it is proven gone. */
export async function removeJob({ url, key }: Client, id: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/v1/jobs/${id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${key}` },
    });
    await answer.text();
    if (answer.status === 204) return;
    if (answer.status !== 202) throw new Error(`The DELETE was answered ${answer.status}.`);
    await sleep(askedEveryMs);
  }
}
