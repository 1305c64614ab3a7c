import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

/** Imports between files of drizzle that Node itself resolves, for which it reads the package.json, when a process loads the records. */
async function readsAfter(first: string): Promise<number> {
  const script = `
    import { registerHooks } from 'node:module';
    let reads = 0;
    registerHooks({ resolve(specifier, context, next) {
      if (specifier.startsWith('.') && context.parentURL?.includes('/drizzle-orm/')) reads++;
      return next(specifier);
    } });
    ${first}
    const { openRecords } = await import('@darkroom/records');
    await openRecords({ url: 'postgres://nobody@127.0.0.1:1/none' }).close();
    console.log(reads);`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
  });
  return Number(stdout);
}

test('the records are loaded without a look at the package of drizzle for each of its files', async () => {
  expect(await readsAfter('')).toBeGreaterThan(100);
  expect(await readsAfter(`await import('@darkroom/records/postgres/drizzle-files.ts');`)).toBe(0);
});
