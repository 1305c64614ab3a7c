import { spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';

const platform = dirname(import.meta.dirname);

/** Runs a program that has a `logger`, and gives the lines it logged. */
function run(program: string, stdout: 'pipe' | number = 'pipe') {
  const source = `
    import { createLogger, setLevel } from '${platform}/logs/log.ts';
    import { startTelemetry, withSpan, currentTraceId } from '${platform}/telemetry/telemetry.ts';
    const logger = createLogger({ service: 'test' });
    ${program}`;
  const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', stdout, 'pipe'],
    encoding: 'utf8',
  });
  const lines = (ended.stdout ?? '').split('\n').filter(Boolean);
  return { status: ended.status, stderr: ended.stderr, lines: lines.map((line) => JSON.parse(line)) };
}

test('lines carry service, job and trace, and no secret', () => {
  const { lines, stderr } = run(`
    startTelemetry({ service: 'test' });
    await withSpan('work', {}, async () => {
      const child = logger.child({ jobId: 'j1' });
      child.info({ traced: currentTraceId(), headers: { authorization: 'Bearer abc' }, config: { s3: { secretAccessKey: 'abc' } } }, 'one');
      child.warn({ err: new Error('GET http://s3/k?X-Amz-Signature=abc 403') }, 'two');
    });
    logger.info('three');`);
  expect(stderr).toBe('');
  const [one, two, three] = lines;
  expect(one).toMatchObject({ level: 'info', service: 'test', jobId: 'j1', msg: 'one' });
  expect(one.traceId).toMatch(/^[\da-f]{32}$/);
  expect(one.traceId).toBe(one.traced);
  expect(one.spanId).toMatch(/^[\da-f]{16}$/);
  expect(two.err.message).toBe('GET http://s3/k?X-Amz-Signature=[redacted] 403');
  expect(JSON.stringify(lines)).not.toContain('abc');
  expect(three).not.toHaveProperty('traceId');
});

test('the level changes while it runs, for children too', () => {
  const { lines } = run(`
    const child = logger.child({ jobId: 'j1' });
    child.debug('no');
    setLevel('debug');
    child.debug('yes');
    setLevel('error');
    child.warn('no');
    logger.error('yes');`);
  expect(lines.map(({ msg }) => msg)).toEqual(['yes', 'yes']);
});

test('a stdout that is full does not disturb the process', () => {
  const { status, stderr } = run(
    `for (let i = 0; i < 100; i++) logger.info('x'.repeat(1000));
     await new Promise((resolve) => setTimeout(resolve, 20));
     process.exitCode = 7;`,
    openSync('/dev/full', 'w'),
  );
  expect(stderr).toBe('');
  expect(status).toBe(7);
});
