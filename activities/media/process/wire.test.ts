import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerQueue } from './answers.ts';
import { frameMessage, MessageParser } from './wire.ts';

describe('messages', () => {
  it('arrive whole, however they are cut up on the way', () => {
    const message = fc.record({
      head: fc.jsonValue({ maxDepth: 1 }),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (messages, size) => {
        const sent = Buffer.concat(messages.flatMap(({ head, body }) => frameMessage(head, [body])));
        const parser = new MessageParser<unknown>();
        const arrived: unknown[] = [];
        for (let at = 0; at < sent.length; at += size)
          for (const { head, body } of parser.push(sent.subarray(at, at + size)))
            arrived.push([JSON.stringify(head), Buffer.from(body).toString('hex')]);
        expect(arrived).toEqual(
          messages.map(({ head, body }) => [JSON.stringify(head), Buffer.from(body).toString('hex')]),
        );
      }),
    );
  });

  it('that are none are refused', () => {
    expect(() => [...new MessageParser().push(Buffer.alloc(8, 0xff))]).toThrow(/no message/);
  });
});

describe('answers that wait', () => {
  const answer = (bytes: number) => ({ head: { type: 'done' } as const, body: new Uint8Array(bytes) });

  it('are no more than there is room for', async () => {
    const queue = new AnswerQueue();
    const large = 40 << 20;
    await queue.put(answer(large));
    let put = false;
    const second = queue.put(answer(large)).then(() => (put = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(put).toBe(false);
    const taking = queue.take();
    expect((await taking.next()).value?.body.length).toBe(large);
    await second;
    queue.end();
    expect((await taking.next()).value?.body.length).toBe(large);
    expect((await taking.next()).done).toBe(true);
  });

  it('come before the failure that follows them, but not before one that cannot wait', async () => {
    const patient = new AnswerQueue();
    await patient.put(answer(1));
    patient.fail(new Error('later'));
    const taking = patient.take();
    expect((await taking.next()).done).toBe(false);
    await expect(taking.next()).rejects.toThrow('later');
    const urgent = new AnswerQueue();
    await urgent.put(answer(1));
    urgent.failNow(new Error('now'));
    await expect(urgent.take().next()).rejects.toThrow('now');
  });
});
