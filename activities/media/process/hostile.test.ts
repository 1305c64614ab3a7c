import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { videoOptions } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rangesOf } from '../testing/bytes-source.ts';
import { hostileFiles } from '../testing/hostile/hostile.ts';
import type { HostileFile } from '../testing/hostile/hostile-file.ts';
import { splitVideo } from './child.ts';

// Digits alone: a G in a name drawn at random is the sync byte of MPEG-TS, which FFmpeg takes a text that names the bait for.
const folder = join(tmpdir(), `bait-${process.pid}`);
const fifo = join(folder, 'bait');
let connections = 0;
const server = createServer((_, response) => response.end());
server.on('connection', () => connections++);
let files: HostileFile[];

beforeAll(async () => {
  mkdirSync(folder);
  execFileSync('mkfifo', [fifo]);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  files = hostileFiles({ file: fifo, url: `http://127.0.0.1:${port}` });
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Less than the silence after which a child is ended: a file that makes one hang is told from a machine that is busy with other things. */
const soonSeconds = 15;

/** Whether anybody has the pipe open for reading: only then can it be opened for writing without waiting. */
function isOpened(): boolean {
  try {
    closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return false;
    throw error;
  }
}

/** How the first pass over a file ends, the seconds that takes, and whether the bait was touched meanwhile. */
async function pass(content: Buffer) {
  let pid = 0;
  let touched = false;
  const looking = setInterval(() => (touched ||= isOpened()), 20);
  const start = performance.now();
  const events = splitVideo(
    rangesOf(content),
    {
      options: videoOptions.parse({}),
      room: { width: 64, height: 64, fit: 'letterbox' },
      candidateBytes: 64e6,
    },
    {
      limits: { pixels: 40e6, seconds: 4 * 3600, memoryBytes: 600e6, stallSeconds: 20 },
      signal: AbortSignal.timeout(2000 * soonSeconds),
      onChild: (child) => (pid = child),
    },
  );
  let end = 'read';
  try {
    for await (const _ of events);
  } catch (error) {
    end = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  } finally {
    clearInterval(looking);
  }
  return { end, seconds: (performance.now() - start) / 1000, touched, left: existsSync(`/proc/${pid}`) };
}

describe('hostile files', () => {
  it('are many, and none like another', () => {
    expect(files.length).toBeGreaterThanOrEqual(50);
    expect(new Set(files.map(({ name }) => name)).size).toBe(files.length);
  });

  it('would be noticed if they led anywhere', async () => {
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    expect(isOpened()).toBe(true);
    closeSync(reader);
    expect(isOpened()).toBe(false);
    const before = connections;
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect(connections).toBe(before + 1);
    connections = 0;
  });

  it('end by a problem of theirs or are read, soon, and lead nowhere', { timeout: 180_000 }, async () => {
    const wrong: string[] = [];
    const work = async ({ name, bytes, ends }: HostileFile) => {
      const { end, seconds, touched, left } = await pass(bytes);
      const well = (ends as readonly string[]).includes(end) && seconds < soonSeconds && !touched && !left;
      if (!well)
        wrong.push(
          `${name}: ${end} after ${seconds.toFixed(1)} s${touched ? ', bait touched' : ''}${left ? ', still there' : ''}`,
        );
    };
    const rest = files.values();
    const lane = async () => {
      for (const hostile of rest) await work(hostile);
    };
    await Promise.all([lane(), lane()]);
    expect(wrong).toEqual([]);
    expect(connections).toBe(0);
  });
});
