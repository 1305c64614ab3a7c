/** A Temporal server of its own, for tests of workflows alone: in memory, flags as the embedded stack sets them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { homeFolder, layoutOf } from '../../apps/local/layout.ts';
import { SupervisedProcess } from '../../apps/local/processes.ts';
import { embeddedTemporal, searchAttributes } from '../../apps/local/temporal.ts';
import { createTerminal } from '../../apps/local/terminal.ts';
import { ensureProgram, findTool, temporalTool } from '../../apps/local/toolchain.ts';
import { freePort } from './s3.ts';

export interface TestTemporal {
  readonly address: string;
  readonly client: Client;
  stop(): Promise<void>;
}

/** Starts the server on free ports; `dynamicConfig` holds further `key=value` flags. */
export async function startTemporal(dynamicConfig: readonly string[] = []): Promise<TestTemporal> {
  const parent = join(homeFolder(), 'test');
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'temporal '));
  const origin = await findTool(temporalTool, layoutOf(folder).tools, {});
  if (origin.kind === 'address') throw new Error('a server of its own is what the test needs');
  const port = await freePort();
  const spec = embeddedTemporal({
    program: await ensureProgram(temporalTool, origin, createTerminal()),
    file: join(folder, 'temporal.db'),
    port,
    uiPort: await freePort(),
    logFile: join(folder, 'temporal.log'),
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder },
  });
  const attributes = Object.entries(searchAttributes).flatMap(([name, type]) => [
    '--search-attribute',
    `${name}=${type}`,
  ]);
  const flags = dynamicConfig.flatMap((pair) => ['--dynamic-config-value', pair]);
  const server = new SupervisedProcess(
    { ...spec, args: [...spec.args, ...attributes, ...flags] },
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
      await rm(folder, { recursive: true, force: true });
    },
  };
}
