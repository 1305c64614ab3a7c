import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { analyse } from '../analyse.ts';
import type { ModelOptions } from '../model/session.ts';
import { defaultModel, defaultModelOptions, limits } from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import { analyseIsolated, type IsolatedOptions } from './isolate.ts';

let model: ModelOptions;
beforeAll(async () => {
  model = await defaultModelOptions();
});

const plain = { threshold: 0.4, annotate: true, limits };
const run = (more: Partial<IsolatedOptions> = {}, hooks = {}) =>
  analyseIsolated(sample('cat.jpg'), { ...plain, model, name: 'cat.jpg', ...more }, hooks);

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('analyseIsolated', () => {
  it('answers as analyse does', async () => {
    const seen: string[] = [];
    const isolated = await run(
      {},
      { onStage: (stage: string, pid: number) => seen.push(`${stage} ${pid !== process.pid}`) },
    );
    const here = await analyse(sample('cat.jpg'), { ...plain, model: await defaultModel() });
    expect({ ...isolated, timings: {} }).toEqual({ ...here, timings: {} });
    expect(seen).toEqual(['probe true', 'prepare true', 'recognise true', 'annotate true']);
  });

  it('passes on what is wrong with the photo', async () => {
    await expect(analyseIsolated(Buffer.from('words'), { ...plain, model })).rejects.toMatchObject({
      code: 'unsupported_media',
    });
  });

  it('names a photo that ends its process', async () => {
    const die = {
      onStage: (stage: string, pid: number) => void (stage === 'recognise' && process.kill(pid, 'SIGKILL')),
    };
    await expect(run({}, die)).rejects.toMatchObject({
      code: 'poisonous_item',
      message: expect.stringMatching(/cat\.jpg.*SIGKILL/),
    });
  });

  it.each([
    ['too long', (): Partial<IsolatedOptions> => ({ timeoutMs: 300 }), /300 ms/],
    ['until it is aborted', (): Partial<IsolatedOptions> => ({ signal: AbortSignal.timeout(300) }), /abort/],
  ])('ends a child that takes %s', async (_, more, message) => {
    let child = 0;
    const stop = {
      onStage: (__: string, pid: number) =>
        new Promise(() => {
          child = pid;
        }),
    };
    await expect(run(more(), stop)).rejects.toThrow(message);
    if (child > 0) expect(alive(child)).toBe(false);
  });

  it('dies with its parent', async () => {
    const script = `
      import { analyseIsolated } from ${JSON.stringify(new URL('isolate.ts', import.meta.url).href)};
      const options = { threshold: 0.4, annotate: false, limits: ${JSON.stringify(limits)}, model: ${JSON.stringify(model)} };
      await analyseIsolated(Buffer.alloc(9), options, { onStage: (stage, pid) => { console.log(pid); return new Promise(() => {}); } });`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const child = Number(printed.toString());
    expect(alive(child)).toBe(true);
    parent.kill('SIGKILL');
    for (let waited = 0; alive(child) && waited < 5000; waited += 50) await sleep(50);
    expect(alive(child)).toBe(false);
  });
});
