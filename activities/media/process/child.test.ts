import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { videoOptions } from '@darkroom/contract';
import { LaneDied, LaneStalled, type RangeSource } from '@darkroom/lane';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SplitEvent } from '../split/split.ts';
import { rangesOf } from '../testing/bytes-source.ts';
import { makeFilm } from '../testing/film/film.ts';
import { type DecoderLimits, probeNamed, probeVideo, splitVideo } from './child.ts';

const folder = mkdtempSync(join(tmpdir(), 'child-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const limits: DecoderLimits = { pixels: 4e6, seconds: 3600, memoryBytes: 600e6, stallSeconds: 20 };
const request = {
  options: videoOptions.parse({}),
  room: { width: 96, height: 96, fit: 'letterbox' },
  candidateBytes: 64e6,
} as const;

let film: Buffer;
beforeAll(() => {
  const path = join(folder, 'film.mp4');
  const shots = [1, 2, 3, 4].map((seed) => ({
    picture: { seed },
    frames: 50,
    brightness: seed % 2 === 0 ? 1 : 0.3,
  }));
  makeFilm(path, shots, { numbered: true, grain: 8, encoder: { crf: '14' } });
  film = readFileSync(path);
});

/** The child's id, kept for looking whether it is gone. */
function run(source: RangeSource, options: { limits?: Partial<DecoderLimits>; signal?: AbortSignal } = {}) {
  const child = { pid: 0 };
  const events = splitVideo(source, request, {
    limits: { ...limits, ...options.limits },
    signal: options.signal ?? new AbortController().signal,
    onChild: (pid) => (child.pid = pid),
  });
  return { child, events };
}
const isThere = ({ pid }: { pid: number }) => existsSync(`/proc/${pid}`);

async function all(events: AsyncIterable<SplitEvent>): Promise<SplitEvent[]> {
  const taken: SplitEvent[] = [];
  for await (const event of events) taken.push(event);
  return taken;
}

/** A source that stops after `after` reads, as if the store were slow, until `goOn`. */
function halting(after: number) {
  const source = rangesOf(film);
  let goOn = () => {};
  let reached = () => {};
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  const halted = new Promise<void>((resolve) => (reached = resolve));
  let reads = 0;
  const slow: RangeSource = {
    size: source.size,
    async read(offset, length, signal) {
      if (++reads > after) {
        reached();
        await waiting;
      }
      return source.read(offset, length, signal);
    },
  };
  return { source: slow, halted, goOn };
}

describe('the decoder’s process', () => {
  it('tells what a video is', async () => {
    const info = await probeVideo(rangesOf(film), { limits, signal: new AbortController().signal });
    expect(info).toMatchObject({ container: 'mp4', codec: 'h264', width: 320, height: 180, seconds: 8 });
  });

  it('is given the time that it waits for a slow store, by which nobody judges the file', async () => {
    const source = rangesOf(film);
    let ms = 0;
    let looks = 0;
    const now = () => {
      looks++;
      return ms;
    };
    const stalling: RangeSource = {
      size: source.size,
      async read(offset, length, signal) {
        // The wait has begun when the clock goes on.
        await Promise.resolve();
        ms += 35_000;
        // Until somebody has looked at the clock, as the watch does.
        for (const seen = looks; looks < seen + 3; ) await new Promise((resolve) => setTimeout(resolve, 20));
        return source.read(offset, length, signal);
      },
    };
    const signal = new AbortController().signal;
    expect(await probeVideo(stalling, { limits, signal, now })).toMatchObject({ codec: 'h264' });
    expect(ms).toBeGreaterThanOrEqual(35_000);
  });

  it('has half a minute of its own for looking at a file', async () => {
    let ms = 0;
    const source = rangesOf(film);
    const slow: RangeSource = {
      size: source.size,
      async read(offset, length, signal) {
        // Once it was given all it wanted, it takes its time.
        setTimeout(() => (ms += 35_000), 0);
        const bytes = await source.read(offset, length, signal);
        process.kill(child.pid, 'SIGSTOP');
        return bytes;
      },
    };
    const child = { pid: 0 };
    const signal = new AbortController().signal;
    const options = { limits: { ...limits, stallSeconds: 60 }, signal, now: () => ms };
    const probing = probeVideo(slow, { ...options, onChild: (pid) => (child.pid = pid) });
    await expect(probing).rejects.toMatchObject({ name: 'ProblemError', code: 'item_timeout' });
  });

  it('finds scenes with their pictures, and is gone afterwards', async () => {
    const { child, events } = run(rangesOf(film));
    const taken = await all(events);
    const scenes = taken.filter((event) => event.type === 'scene');
    expect(scenes.length).toBeGreaterThan(1);
    expect(scenes.map(({ scene }) => scene.start)).toEqual([
      0,
      ...scenes.slice(0, -1).map(({ scene }) => scene.end),
    ]);
    for (const { image, input } of scenes) {
      expect(image.subarray(0, 2).toString('hex')).toBe('ffd8');
      expect(input.subarray(1, 4).toString()).toBe('PNG');
    }
    expect(taken.at(-1)).toMatchObject({ type: 'end', warnings: [] });
    expect(isThere(child)).toBe(false);
  });

  it('goes on from a cursor with what an undisturbed one says', async () => {
    const whole = (await all(run(rangesOf(film)).events)).filter(
      ({ type }) => type === 'scene' || type === 'end',
    );
    const second = whole.find((event) => event.type === 'scene' && event.number === 2);
    if (second?.type !== 'scene') throw new Error('There are several scenes.');
    const cursor = JSON.parse(JSON.stringify(second.cursor)) as typeof second.cursor;
    const signal = new AbortController().signal;
    const rest = await all(splitVideo(rangesOf(film), { ...request, cursor }, { limits, signal }));
    expect(rest.filter(({ type }) => type === 'scene' || type === 'end')).toEqual(whole.slice(2));
  });

  it('fails by the problem it has', async () => {
    const { events } = run(rangesOf(Buffer.from('#EXTM3U\n/etc/passwd')));
    await expect(all(events)).rejects.toMatchObject({ name: 'ProblemError', code: 'unsupported_video' });
  });
});

it.each(['/nowhere/node', '/bin/false'])(
  'is no fault of the video where no process of the decoder can be opened: %s',
  async (program) => {
    const { execPath } = process;
    onTestFinished(() => {
      process.execPath = execPath;
    });
    process.execPath = program;
    const problem = { name: 'ProblemError', code: 'outage' };
    const signal = new AbortController().signal;
    await expect(probeVideo(rangesOf(film), { limits, signal })).rejects.toMatchObject(problem);
    await expect(all(run(rangesOf(film)).events)).rejects.toMatchObject(problem);
  },
);

describe('the end of the decoder’s process', () => {
  it('comes when nobody wants more', async () => {
    const { child, events } = run(rangesOf(film));
    for await (const _ of events) break;
    expect(child.pid).toBeGreaterThan(0);
    expect(isThere(child)).toBe(false);
  });

  it('comes within two seconds of a cancel, whatever it waits for', async () => {
    const { source, halted } = halting(1);
    const cancel = new AbortController();
    const { child, events } = run(source, { signal: cancel.signal });
    const outcome = all(events).catch((error: unknown) => error);
    await halted;
    expect(isThere(child)).toBe(true);
    const at = performance.now();
    const reason = new Error('cancelled');
    cancel.abort(reason);
    expect(await outcome).toBe(reason);
    expect(performance.now() - at).toBeLessThan(2000);
    expect(isThere(child)).toBe(false);
  });

  it('by a signal is told as such', async () => {
    const { source, halted, goOn } = halting(2);
    const { child, events } = run(source);
    const outcome = all(events).catch((error: unknown) => error);
    await halted;
    process.kill(child.pid, 'SIGSEGV');
    goOn();
    const error = await outcome;
    expect(error).toBeInstanceOf(LaneDied);
    expect(error).toMatchObject({ signal: 'SIGSEGV', exitCode: null });
  });

  it('comes when it gives no sign of life', async () => {
    const { source, halted, goOn } = halting(2);
    const { child, events } = run(source, { limits: { stallSeconds: 3 } });
    const outcome = all(events).catch((error: unknown) => error);
    await halted;
    process.kill(child.pid, 'SIGSTOP');
    goOn();
    expect(await outcome).toBeInstanceOf(LaneStalled);
    expect(isThere(child)).toBe(false);
  });

  it('comes when it takes more memory than it may', async () => {
    const { child, events } = run(rangesOf(film), { limits: { memoryBytes: 30e6 } });
    await expect(all(events)).rejects.toMatchObject({ name: 'ProblemError', code: 'memory_limit' });
    expect(isThere(child)).toBe(false);
  });

  it('comes with its parent’s source, whose error is told', async () => {
    const lost = new Error('the source changed');
    const { child, events } = run({ size: film.length, read: () => Promise.reject(lost) });
    await expect(all(events)).rejects.toBe(lost);
    expect(isThere(child)).toBe(false);
  });

  it('does not come while it waits for a slow store', async () => {
    const { source, halted, goOn } = halting(2);
    const { events } = run(source, { limits: { stallSeconds: 3 } });
    const taken = all(events);
    await halted;
    await new Promise((resolve) => setTimeout(resolve, 3500));
    goOn();
    expect((await taken).at(-1)).toMatchObject({ type: 'end' });
  });
});

describe('a file under which its decoder ends before anything is known of it', () => {
  const { signal } = new AbortController();
  /** Kills the first so many processes that look at the film. */
  function looked(kills: number) {
    let left = kills;
    const onChild = (pid: number): void => {
      if (left-- > 0) process.kill(pid, 'SIGKILL');
    };
    return probeNamed('film.mp4', rangesOf(film), { limits, signal, onChild });
  }

  it('is looked at again', async () => {
    expect(await looked(2)).toMatchObject({ width: 320 });
  });

  it('is named where that happens each time', async () => {
    await expect(looked(3)).rejects.toMatchObject({
      code: 'poisonous_item',
      message: expect.stringContaining('film.mp4'),
    });
  });
});
