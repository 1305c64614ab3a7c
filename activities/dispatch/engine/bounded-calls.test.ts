import { expect, test } from 'vitest';
import { boundedCalls, deadlineMs, restMs } from './bounded-calls.ts';

/** Errors as gRPC's own: of a deadline that passed here, and of a server that is not there. */
const grpcError = (code: number): Error =>
  Object.assign(new Error(`${code}`), { code, details: '', metadata: {} });
const late = grpcError(4);
const refused = grpcError(14);
const told = { code: 'engine_unavailable' };

/** Calls on a clock that the test moves; `begun` counts those that reached the server. */
function calls() {
  let now = 1000;
  let begun = 0;
  const ask = boundedCalls({ withDeadline: (_until, fn) => fn() }, () => now);
  const begin = () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const result = ask(() => {
      begun++;
      return promise;
    });
    result.catch(() => {});
    return {
      result,
      answer() {
        resolve('done');
        return result;
      },
      fail(error: unknown) {
        reject(error);
        return result;
      },
    };
  };
  return { begin, pass: (ms: number) => (now += ms), begun: () => begun, end: ask.end };
}

test('one call that is late while others are answered is late alone', async () => {
  const { begin, pass } = calls();
  const slow = begin();
  pass(100);
  await begin().answer();
  pass(deadlineMs);
  await expect(slow.fail(late)).rejects.toMatchObject(told);
  expect(await begin().answer()).toBe('done');
});

test('an error of the server is an answer too', async () => {
  const { begin, pass } = calls();
  const slow = begin();
  pass(100);
  const notFound = grpcError(5);
  await expect(begin().fail(notFound)).rejects.toBe(notFound);
  pass(deadlineMs);
  await expect(slow.fail(late)).rejects.toMatchObject(told);
  expect(await begin().answer()).toBe('done');
});

test('a server that hangs is waited for once; who comes next is told at once, until it has rested', async () => {
  const { begin, pass, begun } = calls();
  await begin().answer();
  pass(1);
  const first = begin();
  pass(deadlineMs);
  await expect(first.fail(late)).rejects.toMatchObject(told);
  for (let i = 0; i < 100; i++) await expect(begin().result).rejects.toMatchObject(told);
  expect(begun()).toBe(2);
  pass(restMs);
  expect(await begin().answer()).toBe('done');
});

test('a server that is not there is told of at once, and an answer on its way ends that', async () => {
  const { begin } = calls();
  const underWay = begin();
  await expect(begin().fail(refused)).rejects.toMatchObject(told);
  await expect(begin().result).rejects.toMatchObject(told);
  await underWay.answer();
  expect(await begin().answer()).toBe('done');
});

test('what wraps an error is seen through', async () => {
  const { begin } = calls();
  const wrapped = new Error('Failed to start Workflow', { cause: refused });
  await expect(begin().fail(wrapped)).rejects.toMatchObject(told);
  await expect(begin().result).rejects.toMatchObject(told);
});

test('what is under way is waited for at the end, and nothing begins any more', async () => {
  const { begin, begun, end } = calls();
  const underWay = begin();
  const order: string[] = [];
  const ended = end().then(() => order.push('ended'));
  await expect(begin().result).rejects.toMatchObject(told);
  await underWay.answer();
  order.push('answered');
  await ended;
  expect({ order, begun: begun() }).toEqual({ order: ['answered', 'ended'], begun: 1 });
});
