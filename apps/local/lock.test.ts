import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { lock, lockHolder, tryLock } from './lock.ts';

const what = `lock test ${process.pid}`;

it('is had by one at a time, and tells by whom', async () => {
  const first = await tryLock(what);
  expect(first).toBeDefined();
  expect(await tryLock(what)).toBeUndefined();
  expect(await lockHolder(what)).toBe(process.pid);
  let told: number | undefined;
  const second = lock(what, (holder) => {
    told = holder;
    void first?.release();
  });
  await (await second).release();
  expect(told).toBe(process.pid);
  expect(await lockHolder(what)).toBeUndefined();
});

it('ends with a holder that is killed', async () => {
  const script = `
    const { tryLock } = await import(${JSON.stringify(new URL('./lock.ts', import.meta.url).href)});
    await tryLock(${JSON.stringify(what)});
    console.log('held');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(await tryLock(what)).toBeUndefined();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const freed = await lock(what, () => {});
  await freed.release();
});
