import { describe, expect, it } from 'vitest';
import { AnswerQueue } from './answers.ts';

describe('answers that wait', () => {
  const answer = (bytes: number) => ({ bodies: [new Uint8Array(bytes)] });

  it('are no more than there is room for', async () => {
    const queue = new AnswerQueue();
    const large = 40 << 20;
    await queue.put(answer(large));
    let put = false;
    const second = queue.put(answer(large)).then(() => (put = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(put).toBe(false);
    const taking = queue.take();
    expect((await taking.next()).value?.bodies[0]?.length).toBe(large);
    await second;
    queue.end();
    expect((await taking.next()).value?.bodies[0]?.length).toBe(large);
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
