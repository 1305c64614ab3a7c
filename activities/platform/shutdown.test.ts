import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

/** Runs a program with steps to shut down; ends it with `signals`, one each time it prints a line that ends in "!". */
async function run(steps: string, signals: NodeJS.Signals[]) {
  const source = `
    import { createLogger } from '${import.meta.dirname}/logs/log.ts';
    import { handleShutdown } from '${import.meta.dirname}/shutdown.ts';
    const { onShutdown, signal, shutdown } = handleShutdown(createLogger({ service: 'test', level: 'fatal' }));
    setInterval(() => {}, 1000);
    ${steps}
    console.log('ready!');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (chunk.includes('!')) child.kill(signals.shift() ?? 'SIGKILL');
  });
  const [code] = await once(child, 'close');
  return { code, lines: text.split('\n').filter(Boolean) };
}

test('what was opened last is closed first, each step after the one before has ended', async () => {
  const steps = `
    onShutdown('first', () => console.log('first'));
    onShutdown('second', async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      console.log('second', signal.aborted);
    });`;
  expect(await run(steps, ['SIGTERM'])).toEqual({ code: 0, lines: ['ready!', 'second true', 'first'] });
});

test('a step that fails or hangs does not hold the others up, but shows in the exit code', async () => {
  const steps = `
    onShutdown('last', () => console.log('last'));
    onShutdown('hangs', () => new Promise(() => {}), 50);
    onShutdown('fails', () => { throw new Error('no'); });`;
  expect(await run(steps, ['SIGINT'])).toEqual({ code: 1, lines: ['ready!', 'last'] });
});

test('a second signal ends it at once', async () => {
  const steps = `onShutdown('slow', () => { console.log('waiting!'); return new Promise(() => {}); });`;
  expect(await run(steps, ['SIGINT', 'SIGINT'])).toEqual({ code: 130, lines: ['ready!', 'waiting!'] });
});
