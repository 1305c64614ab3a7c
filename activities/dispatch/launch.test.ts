import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Launcher } from './launch.ts';

test('a start that waited for the end of others runs in the context that it was asked for in, and knows that it waited', async () => {
  const launcher = new Launcher();
  const context = new AsyncLocalStorage<number>();
  const ran: { asked: number; in: number | undefined; waited: boolean }[] = [];
  for (let asked = 0; asked < 6; asked++) {
    context.run(asked, () => {
      void launcher.launch('ada', async (waited) => {
        ran.push({ asked, in: context.getStore(), waited });
        await sleep(5);
      });
    });
  }
  await launcher.settled();
  expect(ran).toEqual(Array.from({ length: 6 }, (_, n) => ({ asked: n, in: n, waited: n >= 4 })));
});
