import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

/**
 * What Node itself resolves, for which it reads drizzle's package.json, when a process loads the records: imports between its files, and
 * how often each of its names at most.
 */
async function readsAfter(first: string): Promise<{ between: number; byName: number }> {
  const script = `
    import { registerHooks } from 'node:module';
    let between = 0;
    const names = {};
    registerHooks({ resolve(specifier, context, next) {
      if (specifier.startsWith('.') && context.parentURL?.includes('/drizzle-orm/')) between++;
      if (specifier.startsWith('drizzle-orm')) names[specifier] = (names[specifier] ?? 0) + 1;
      return next(specifier);
    } });
    ${first}
    const { openRecords } = await import('@darkroom/records');
    await openRecords({ url: 'postgres://nobody@127.0.0.1:1/none' }).close();
    console.log(JSON.stringify({ between, byName: Math.max(...Object.values(names)) }));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
  });
  return JSON.parse(stdout);
}

test('the records are loaded without a look at the package of drizzle for each of its files, or of ours', async () => {
  const without = await readsAfter('');
  expect(without.between).toBeGreaterThan(100);
  expect(without.byName).toBeGreaterThan(10);
  const reads = await readsAfter(`await import('@darkroom/records/postgres/drizzle-files.ts');`);
  expect(reads).toEqual({ between: 0, byName: 1 });
});
