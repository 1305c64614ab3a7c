import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createStorage } from '@darkroom/storage';
import { listenAnywhere, portOf } from '../../apps/local/ports.ts';

/** A running S3 server of its own, with one bucket. `directory` is where it keeps objects, as files. */
export interface TestS3 {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
  bucket: string;
  region: string;
  directory: string;
  pid: number;
  stop(): Promise<void>;
}

const REPOSITORY = resolve(import.meta.dirname, '../..');

/** The server's program: from the tools folder of DARKROOM_HOME or of the repository, else from the PATH. */
function findVersitygw(): string {
  const homes = [process.env.DARKROOM_HOME, join(REPOSITORY, '.darkroom')].filter(
    (home) => home !== undefined,
  );
  for (const tools of homes.map((home) => join(home, 'tools'))) {
    if (!existsSync(tools)) continue;
    const name = readdirSync(tools).find((entry) => /^versitygw(-[\d.]+)?$/.test(entry));
    if (name !== undefined) return join(tools, name);
  }
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(directory, 'versitygw');
    if (existsSync(candidate)) return candidate;
  }
  throw new Error('versitygw is missing. Run `npm start` once: it builds the servers into .darkroom/tools/.');
}

/** A TCP port of the loopback address that was free just now. */
export async function freePort(): Promise<number> {
  const server = await listenAnywhere();
  if (!server) throw new Error('No port is free.');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

async function untilItAnswers(url: string, output: () => string): Promise<void> {
  for (let left = 200; left > 0; left--) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await sleep(50);
  }
  throw new Error(`versitygw did not come up:\n${output()}`);
}

// The shell waits for its input to end, which it does even when the test run is killed, and takes server and folder along.
const LEASH = '"$@" & echo "pid $!"; cat >/dev/null; exec >/dev/null 2>&1; kill -9 $!; wait $!; rm -rf "$0"';

/** Starts versitygw on a free loopback port over an empty temporary directory, and makes its bucket. `stop` removes all of it. */
export async function startS3(): Promise<TestS3> {
  const home = await mkdtemp(join(tmpdir(), 'darkroom-s3-'));
  const directory = join(home, 'objects');
  await mkdir(directory);
  const port = await freePort();
  const accessKeyId = `test${randomBytes(6).toString('hex')}`;
  const secretAccessKey = randomBytes(20).toString('hex');
  const region = 'us-east-1';
  const listen = [
    '--port',
    `127.0.0.1:${port}`,
    '--region',
    region,
    '--keep-alive',
    '--quiet',
    '--health',
    '/health',
  ];
  const leash = spawn('sh', ['-c', LEASH, home, findVersitygw(), ...listen, 'posix', directory], {
    env: { ...process.env, ROOT_ACCESS_KEY_ID: accessKeyId, ROOT_SECRET_ACCESS_KEY: secretAccessKey },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
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
    await untilItAnswers(`${endpoint}/health`, () => output);
    const storage = createStorage({
      endpoint,
      region,
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
  return { endpoint, accessKeyId, secretAccessKey, bucket, region, directory, pid, stop };
}
