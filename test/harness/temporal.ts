/** A Temporal server of its own, for tests of workflows alone: in memory, flags as the embedded stack sets them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from '@darkroom/servers/lock.mjs';
import { temporalTool } from '@darkroom/servers/obtain/pins.mjs';
import { programOf } from '@darkroom/servers/obtain/toolchain.mjs';
import { freePort } from '@darkroom/servers/run/ports.ts';
import { SupervisedProcess } from '@darkroom/servers/run/processes.ts';
import { embeddedTemporal, searchAttributes } from '@darkroom/servers/run/temporal.ts';
import { Client, Connection } from '@temporalio/client';
import { testHomes } from '../../apps/local/home/forsaken.ts';
import { layoutOf } from '../../apps/local/home/layout.ts';
import { ensureSecrets } from '../../apps/local/home/secrets.ts';
import { serverEnvironment } from '../../apps/local/stack/environment.ts';

export interface TestTemporal {
  readonly address: string;
  readonly client: Client;
  stop(): Promise<void>;
}

/**
 * Starts the server on free ports; `dynamicConfig` holds further `key=value` flags, `pragmas` the `key=value` settings of its store
 * in place of those of the embedded stack.
 */
export async function startTemporal(
  dynamicConfig: readonly string[] = [],
  pragmas?: readonly string[],
): Promise<TestTemporal> {
  const parent = testHomes();
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'temporal '));
  // Marked and held as a stack is: what a test run that was killed has left, `npm test` ends and removes.
  const layout = layoutOf(folder);
  const held = await tryLock(layout.data);
  await mkdir(layout.data);
  const { stack } = await ensureSecrets(layout.secrets);
  const port = await freePort();
  const spec = embeddedTemporal({
    program: await programOf(temporalTool),
    file: join(folder, 'temporal.db'),
    port,
    uiPort: await freePort(),
    logFile: join(folder, 'temporal.log'),
    cwd: folder,
    env: serverEnvironment(stack, 'temporal', { PATH: process.env.PATH, HOME: folder }),
  });
  const attributes = Object.entries(searchAttributes).flatMap(([name, type]) => [
    '--search-attribute',
    `${name}=${type}`,
  ]);
  const flags = dynamicConfig.flatMap((pair) => ['--dynamic-config-value', pair]);
  const args = pragmas === undefined ? spec.args : withPragmas(spec.args, pragmas);
  const server = new SupervisedProcess(
    { ...spec, args: [...args, ...attributes, ...flags] },
    { changed() {}, say() {} },
  );
  // A test run that dies takes its server along.
  const reap = (): void => void server.stop(true);
  process.once('exit', reap);
  await server.start();
  const address = `127.0.0.1:${port}`;
  const connection = await Connection.connect({ address });
  return {
    address,
    client: new Client({ connection }),
    async stop() {
      await connection.close();
      await server.stop();
      process.off('exit', reap);
      await held?.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const pragmaFlag = '--sqlite-pragma';

/** The arguments of the server with these settings of its store and no others. */
function withPragmas(args: readonly string[], pragmas: readonly string[]): string[] {
  const others = args.filter((arg, i) => arg !== pragmaFlag && args[i - 1] !== pragmaFlag);
  return [...others, ...pragmas.flatMap((pragma) => [pragmaFlag, pragma])];
}
