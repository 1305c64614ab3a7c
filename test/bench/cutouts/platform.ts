/** Cutouts as answers to requests: API and one worker on a stack of their own, with the tiles of the bench as a survey of three bands. */
import { readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { basename } from 'node:path';
import { loadConfig } from '@darkroom/platform';
import { createKey, migrate, openRecords } from '@darkroom/records';
import type { SurveyDefinition } from '@darkroom/sky/survey/definition/definition.ts';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { shippedLimits } from '../../harness/stack.ts';
import { peakMemory } from '../measure/cpu.ts';
import { say } from '../measure/report.ts';
import { startBenchStack } from '../measure/stack.ts';
import { bands, degreesOf, middleOf, nameOf, setCard } from './tiles.ts';

const name = 'bench';
/** Four tiles of one grid that abut. */
export const wideName = 'bench-wide';

export interface Platform {
  readonly survey: string;
  /** Asks for one cutout: milliseconds until its last byte, its bytes; or why there is none. */
  ask(query: Readonly<Record<string, string>>): Promise<Answer>;
  /** Most memory that the worker had resident since the last `forgetPeak`, bytes. */
  peak(): Promise<number | undefined>;
  forgetPeak(): Promise<void>;
  close(): Promise<void>;
}

export interface Answer {
  readonly ms: number;
  readonly bytes: number;
  /** Code of the problem. */
  readonly refused?: string;
}

/** `sides`: of tiles, the most that one request may ask for. */
export function surveyOf(name: string, root: string, size: number, sides = 1): SurveyDefinition {
  const example = middleOf(0);
  return {
    name,
    title: 'Tiles of the bench',
    release: 'DR1',
    root,
    tile: { pattern: 't\\d+', example: 't0' },
    wcs: 'TAN',
    unit: 'nJy',
    bands: bands.map((band, i) => ({ name: band, wavelength: 480 + 150 * i, zeropoint: 31.4 })),
    planes: { image: { path: '{tile}-{band}.fits.fz' } },
    readers: 'public',
    defaults: { size: '1arcmin', algorithm: 'lupton', bands: ['i', 'r', 'g'], stretch: 100, minimum: 20 },
    limits: { size: `${degreesOf(sides * size)}deg`, pixels: (sides * size) ** 2 },
    credit: 'Nobody',
    example,
  };
}

/** Brings all up. `files`: the tiles, whole threes of them. `large`: without bounds on time and size, and with a survey of four tiles that abut. */
export async function startPlatform(
  files: readonly string[],
  size: number,
  { large = false }: { readonly large?: boolean } = {},
): Promise<Platform> {
  const stack = await startBenchStack('bench-cutouts', {
    ...shippedLimits,
    LOG_LEVEL: 'info',
    ...(large && unbounded),
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const close = async (): Promise<void> => {
    agent.destroy();
    await stack.close();
  };
  try {
    await migrate(stack.stack.postgres);
    const storage = createStorage(loadConfig(stack.env()).s3);
    const records = openRecords({ url: stack.stack.postgres, pool: 2, application: 'darkroom-bench' });
    const root = `s3://${storage.bucket}/${name}/`;
    try {
      for (const file of files)
        await storage.uploadFile(`${root}${basename(file)}`, file, { contentType: 'application/fits' });
      const { db } = records;
      const indexed = await indexSurvey(surveyOf(name, root, size), { db, store: storage, verify: true });
      say(
        `survey of ${indexed.tiles} tiles, ${indexed.files} files, ${indexed.verified ? '' : 'un'}verified`,
      );
      if (large) {
        const wide = `s3://${storage.bucket}/${wideName}/`;
        await putWide(storage, wide, files.slice(0, bands.length), size);
        await indexSurvey(surveyOf(wideName, wide, size, 2), { db, store: storage });
      }
      const { key } = await createKey(db, { owner: 'bench', role: 'user', priority: 3 });
      const [api, worker] = await Promise.all([
        stack.startApi(),
        stack.startWorker({ DARKROOM_QUEUES: 'light,sky-realtime' }),
      ]);
      const headers = { authorization: `Bearer ${key}` };
      return {
        survey: name,
        ask: (query) =>
          ask(`${api.url}/v1/cutouts?${new URLSearchParams({ survey: name, ...query })}`, headers, agent),
        peak: () => peakMemory(worker.pid),
        // proc(5): 5 sets the peak to what is resident now.
        forgetPeak: () => writeFile(`/proc/${worker.pid}/clear_refs`, '5'),
        close,
      };
    } finally {
      storage.close();
      await records.close();
    }
  } catch (error) {
    await close();
    throw error;
  }
}

/** As far as they go. */
const unbounded = {
  CUTOUT_DEADLINE_SECONDS: '300',
  LIMIT_CUTOUT_PIXELS: '100000000000',
  LIMIT_CUTOUT_BYTES: '1000000000000',
};

/** The same tile of each band four times, on one grid: two by two about its middle. */
async function putWide(
  storage: Pick<Storage, 'putBytes'>,
  root: string,
  files: readonly string[],
  size: number,
): Promise<void> {
  for (const [b, file] of files.entries()) {
    const bytes = await readFile(file);
    for (const [x, y] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ] as const) {
      // The survey of such files is not verified: their checksums stay what they were.
      setCard(bytes, 'CRPIX1', size * (1 - x) + 0.5);
      setCard(bytes, 'CRPIX2', size * (1 - y) + 0.5);
      const key = `${root}${basename(nameOf(b)).replace(/^t0/, `t${2 * y + x}`)}`;
      await storage.putBytes(key, bytes, { contentType: 'application/fits' });
    }
  }
}

/** As `ask` of {@link Platform}. */
export function ask(url: string, headers: Record<string, string>, agent: Agent): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, agent }, (reply) => {
      const made = reply.statusCode === 200;
      const chunks: Buffer[] = [];
      let bytes = 0;
      reply.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (!made) chunks.push(chunk);
      });
      reply.on('error', reject);
      reply.on('end', () => {
        const ms = performance.now() - began;
        if (made) resolve({ ms, bytes });
        else resolve({ ms, bytes: 0, refused: codeOf(Buffer.concat(chunks), reply.statusCode) });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

function codeOf(body: Buffer, status: number | undefined): string {
  try {
    return String((JSON.parse(body.toString()) as { code?: unknown }).code ?? status);
  } catch {
    return String(status);
  }
}
