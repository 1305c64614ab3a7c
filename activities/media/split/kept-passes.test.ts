import { videoOptions } from '@darkroom/contract';
import { describe, expect, it, vi } from 'vitest';
import { FakeReader, type FakeVideo, fakeFrames } from '../testing/fake-reader.ts';
import type { SplitCursor } from './cursor.ts';
import { KeptPasses, SplitPass } from './kept-passes.ts';
import { PageTime } from './page-time.ts';
import { type SplitEvent, type SplitRequest, split } from './split.ts';

const { signal } = new AbortController();
const passOptions = { most: 2, idleMs: 60_000, askMs: 1000 };

describe('pages of a video at 60 pictures a second that is decoded at 10 a second', () => {
  const video: FakeVideo = {
    shots: Array.from({ length: 30 }, (_, n) => ({ length: 260 + (n % 5), look: n % 5 })),
    steps: [1 / 60],
    gop: 120,
  };
  const frames = fakeFrames(video);
  const request: SplitRequest = {
    options: videoOptions.parse({}),
    room: { width: 640, height: 640, fit: 'letterbox' },
    candidateBytes: 80_000,
  };
  const telling = (events: readonly SplitEvent[]) => events.filter(({ type }) => type !== 'progress');

  /** Splits it page by page; on one worker or each page on another. */
  async function inPages(keeps: boolean) {
    const kept = new KeptPasses(passOptions);
    const events: SplitEvent[] = [];
    let decoded = 0;
    let cursor: SplitCursor | undefined;
    let pages = 0;
    /** One picture takes a tenth of a second; nothing else takes any time. */
    const now = () => decoded * 100;
    const open = (from: SplitCursor | undefined) =>
      new SplitPass(async function* () {
        const reader = new FakeReader(video, frames);
        let seen = 0;
        const clock = () => {
          decoded += reader.decoded - seen;
          seen = reader.decoded;
          return now();
        };
        yield* split(reader, request, from, clock);
      });
    for (let done = false; !done; pages++) {
      const place = JSON.stringify(cursor);
      const going = await kept.take('job', place);
      const pass = going ?? open(cursor);
      const time = new PageTime(going !== undefined, now);
      const reached = cursor?.reached ?? 0;
      done = true;
      for await (const event of pass.page(signal)) {
        events.push(event);
        if (event.type !== 'progress' || event.at > reached) time.passed();
        if (!('cursor' in event)) continue;
        cursor = event.cursor;
        if (time.over) {
          done = false;
          break;
        }
      }
      if (keeps && !done) await kept.keep('job', JSON.stringify(cursor), pass, async () => true);
      else await pass.end();
    }
    await kept.close();
    return { events: telling(events), again: (decoded - frames.length) / decoded, pages };
  }
  const whole = telling([...split(new FakeReader(video, frames), request, undefined, () => 0)]);

  it('decodes next to nothing twice while they follow each other in one process', async () => {
    const { events, again, pages } = await inPages(true);
    expect(pages).toBeGreaterThan(15);
    expect(again).toBeLessThan(0.01);
    expect(events.filter(({ type }) => type === 'scene')).toEqual(
      whole.filter(({ type }) => type === 'scene'),
    );
  });

  it('is worth what it decodes again also when each page is on another worker', async () => {
    const { events, again, pages } = await inPages(false);
    expect(pages).toBeGreaterThan(2);
    // A scene's frame that lies before the page is fetched, too.
    expect(again).toBeLessThan(0.2);
    expect(events.at(-1)).toEqual(whole.at(-1));
  });
});

it('tells the place after a minute of work, however little of the video it was', () => {
  const video: FakeVideo = { shots: [{ length: 1500, look: 1 }], steps: [1 / 60], gop: 120 };
  const reader = new FakeReader(video);
  const request: SplitRequest = {
    options: videoOptions.parse({}),
    room: { width: 640, height: 640, fit: 'letterbox' },
    candidateBytes: 80_000,
  };
  const events = [...split(reader, request, undefined, () => reader.decoded * 200)];
  const times = events.flatMap((event) => (event.type === 'checkpoint' ? [event.at] : []));
  expect(times).toHaveLength(5);
  for (const [n, at] of times.entries()) expect(at - (times[n - 1] ?? 0)).toBeLessThan(5.1);
});

it('while pictures are decoded again, a sign of life comes that is no progress', () => {
  const video: FakeVideo = { shots: [{ length: 3000, look: 1 }], steps: [0.02], gop: 50 };
  const request: SplitRequest = {
    options: videoOptions.parse({}),
    room: { width: 640, height: 640, fit: 'letterbox' },
    candidateBytes: 80_000,
  };
  const frames = fakeFrames(video);
  const first = [...split(new FakeReader(video, frames), request, undefined, () => 0)];
  const checkpoint = first.find((event) => event.type === 'checkpoint');
  if (checkpoint?.type !== 'checkpoint') throw new Error('A checkpoint comes every 30 s.');
  const reader = new FakeReader(video, frames);
  const again: number[] = [];
  for (const event of split(reader, request, checkpoint.cursor, () => reader.decoded * 100)) {
    if (event.type !== 'progress') continue;
    if (event.at > checkpoint.at) break;
    again.push(event.at);
    expect(event.again).toBe(event.decoded);
  }
  expect(again.length).toBeGreaterThan(50);
  expect(new Set(again)).toEqual(new Set([checkpoint.at]));
});

describe('a kept pass', () => {
  /** A pass of endless events that tells when it has ended. */
  function endless() {
    const ended = vi.fn();
    const pass = new SplitPass(async function* () {
      try {
        for (let at = 0; ; at++) yield { type: 'progress', at, decoded: at, again: 0 } satisfies SplitEvent;
      } finally {
        ended();
      }
    });
    return { pass, ended };
  }
  /** Reads so many events and leaves. */
  async function read(pass: SplitPass, count: number, by = signal): Promise<number[]> {
    const times: number[] = [];
    for await (const event of pass.page(by)) {
      if (event.type === 'progress') times.push(event.at);
      if (times.length === count) break;
    }
    return times;
  }
  const always = async () => true;

  it('goes on where it was left', async () => {
    const kept = new KeptPasses(passOptions);
    const { pass, ended } = endless();
    expect(await read(pass, 3)).toEqual([0, 1, 2]);
    await kept.keep('a', '3', pass, always);
    const again = await kept.take('a', '3');
    expect(again).toBe(pass);
    expect(await read(pass, 2)).toEqual([3, 4]);
    expect(ended).not.toHaveBeenCalled();
    expect(await kept.take('a', '3')).toBeUndefined();
    await pass.end();
    expect(ended).toHaveBeenCalledOnce();
  });

  it('that stands elsewhere is ended, and one of another job is left alone', async () => {
    const kept = new KeptPasses(passOptions);
    const [a, b] = [endless(), endless()];
    await read(a.pass, 1);
    await read(b.pass, 1);
    await kept.keep('a', '1', a.pass, always);
    await kept.keep('b', '1', b.pass, always);
    expect(await kept.take('a', '2')).toBeUndefined();
    expect(a.ended).toHaveBeenCalledOnce();
    expect(b.ended).not.toHaveBeenCalled();
    await kept.close();
    expect(b.ended).toHaveBeenCalledOnce();
  });

  it('gives way when there are too many, the longest kept first', async () => {
    const kept = new KeptPasses({ ...passOptions, most: 2 });
    const passes = [endless(), endless(), endless()];
    for (const [n, { pass }] of passes.entries()) {
      await read(pass, 1);
      await kept.keep(`job ${n}`, '', pass, always);
    }
    expect(passes.map(({ ended }) => ended.mock.calls.length)).toEqual([1, 0, 0]);
    expect(kept.size).toBe(2);
    await kept.close();
    const none = new KeptPasses({ ...passOptions, most: 0 });
    const last = endless();
    await read(last.pass, 1);
    await none.keep('a', '', last.pass, always);
    expect(last.ended).toHaveBeenCalledOnce();
  });

  it.each([
    ['its time is up', passOptions.idleMs, always],
    ['its job is cancelled or goes on elsewhere', passOptions.askMs, async () => false],
    ['nobody can say', passOptions.askMs, () => Promise.reject(new Error('no database'))],
  ])('is ended when %s', async (_why, ms, wanted) => {
    vi.useFakeTimers();
    try {
      const kept = new KeptPasses(passOptions);
      const { pass, ended } = endless();
      await read(pass, 1);
      await kept.keep('a', '', pass, wanted);
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(ended).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1);
      expect(ended).toHaveBeenCalledOnce();
      expect(await kept.take('a', '')).toBeUndefined();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is ended by the cancel of the page that reads it, with its reason', async () => {
    const cancel = new AbortController();
    const pass = new SplitPass(async function* (over) {
      yield { type: 'progress', at: 0, decoded: 1, again: 0 };
      over.throwIfAborted();
      await new Promise((_, reject) => over.addEventListener('abort', () => reject(over.reason)));
    });
    const reading = read(pass, 2, cancel.signal);
    cancel.abort(new Error('cancelled'));
    await expect(reading).rejects.toThrow('cancelled');
    await pass.end();
  });
});
