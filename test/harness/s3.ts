import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { versitygwTool } from '@darkroom/servers/obtain/pins.mjs';
import { programOf } from '@darkroom/servers/obtain/toolchain.mjs';
import { freePort } from '@darkroom/servers/run/ports.ts';
import type { ProcessSpec } from '@darkroom/servers/run/processes.ts';
import { embeddedS3, s3Region } from '@darkroom/servers/run/s3.ts';
import { createStorage } from '@darkroom/storage';

/** A running S3 server of its own, with one bucket. */
export interface TestS3 {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
  bucket: string;
  region: string;
  /** Where the server keeps objects, as files; undefined where it keeps them in memory. */
  directory: string | undefined;
  pid: number;
  stop(): Promise<void>;
}

async function untilItServes(
  probe: (signal: AbortSignal) => Promise<void>,
  output: () => string,
): Promise<void> {
  for (let left = 400; left > 0; left--) {
    const serves = await probe(AbortSignal.timeout(3000)).then(
      () => true,
      () => false,
    );
    if (serves) return;
    await sleep(50);
  }
  throw new Error(`The S3 server did not come up:\n${output()}`);
}

// The shell waits for its input to end, which it does even when the test run is killed, and takes server and folder along.
const LEASH = '"$@" & echo "pid $!"; cat >/dev/null; exec >/dev/null 2>&1; kill -9 $!; wait $!; rm -rf "$0"';

/** How to run an S3 server: `probe` resolves once it serves; `directory` as in {@link TestS3}. */
export type ServerCommand = Pick<ProcessSpec, 'command' | 'args' | 'env' | 'probe'> &
  Pick<TestS3, 'directory'>;

/** Starts versitygw on a free loopback port over an empty temporary directory, and makes its bucket. `stop` removes all of it. */
export function startS3(): Promise<TestS3> {
  return startServer(async ({ home, ...given }) => {
    const directory = join(home, 'objects');
    await mkdir(directory);
    const program = await programOf(versitygwTool);
    const env = { PATH: process.env.PATH ?? '' };
    return { ...embeddedS3({ program, folder: directory, logFile: '', env, ...given }), directory };
  });
}

/** Starts the server that `serverAt` describes, with a free loopback port and a temporary folder `home`, and makes its bucket. */
export async function startServer(
  serverAt: (given: {
    home: string;
    port: number;
    accessKeyId: string;
    secretAccessKey: string;
  }) => Promise<ServerCommand>,
): Promise<TestS3> {
  const home = await mkdtemp(join(tmpdir(), 'darkroom-s3-'));
  const port = await freePort();
  const accessKeyId = `test${randomBytes(6).toString('hex')}`;
  const secretAccessKey = randomBytes(20).toString('hex');
  const server = await serverAt({ home, port, accessKeyId, secretAccessKey });
  const { command, args, env, probe, directory } = server;
  const leash = spawn('sh', ['-c', LEASH, home, command, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [leash.stdout, leash.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
  }
  const stop = async (): Promise<void> => {
    const gone = leash.exitCode === null ? once(leash, 'exit') : undefined;
    leash.stdin.end();
    await gone;
  };
  const endpoint = `http://127.0.0.1:${port}`;
  const bucket = 'darkroom-test';
  try {
    await untilItServes(probe, () => output);
    const storage = createStorage({
      endpoint,
      region: s3Region,
      accessKeyId,
      secretAccessKey,
      forcePathStyle: true,
      bucket,
    });
    await storage.ensureBucket();
    storage.close();
  } catch (error) {
    await stop();
    throw error;
  }
  const pid = Number(/^pid (\d+)$/m.exec(output)?.[1]);
  return { endpoint, accessKeyId, secretAccessKey, bucket, region: s3Region, directory, pid, stop };
}
