import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { constantModel, defaultModelOptions, tensor } from '../testing/models.ts';
import { defaultModelPath } from './card.ts';
import { openInference } from './inference.ts';

const optionsOf = async (path: string) => ({
  path,
  digest: createHash('sha256')
    .update(await readFile(path))
    .digest('hex'),
  device: 'cpu' as const,
  threads: 1,
});
const options = async () => optionsOf(defaultModelPath((await defaultModelOptions()).modelsDir));
const picture = (value: number) => ({
  image: {
    type: 'float32' as const,
    data: new Float32Array(3 * 300 * 300).fill(value),
    dims: [1, 3, 300, 300],
  },
});

it('leaves the event loop free while the model runs, and gives every run its own answer', async () => {
  const inference = await openInference(await options(), 2);
  try {
    const alone = [await inference.run(picture(0)), await inference.run(picture(1))];
    expect(alone[0]).not.toEqual(alone[1]);
    let turns = 0;
    const turning = setInterval(() => turns++, 1);
    const runs = await Promise.all(Array.from({ length: 8 }, (_, i) => inference.run(picture(i % 2))));
    clearInterval(turning);
    runs.forEach((outputs, i) => {
      expect(outputs).toEqual(alone[i % 2]);
    });
    // On the loop itself, a timer would come between the runs only.
    expect(turns).toBeGreaterThan(8);
  } finally {
    await inference.close();
  }
});

it('opens a further lane when pictures queue, and not for one that waits', async () => {
  const inference = await openInference(await options(), 2);
  try {
    const pair = () => Promise.all([inference.run(picture(0)), inference.run(picture(1))]);
    const alone = await pair();
    await pair();
    expect(inference.lanes).toBe(1);
    while (inference.lanes < 2) await Promise.all([pair(), pair()]);
    const crowd = await Promise.all([pair(), pair(), pair()]);
    expect(crowd).toEqual([alone, alone, alone]);
  } finally {
    await inference.close();
  }
});

it('does not open a file that was replaced beside the one it has', async () => {
  const path = await constantModel({ outputs: { y: tensor([1], [[0], 7]) } });
  const inference = await openInference(await optionsOf(path), 2);
  try {
    await copyFile(await constantModel({ outputs: { y: tensor([1], [[0], 9]) } }), path);
    const feeds = () => ({
      images: { type: 'float32' as const, data: new Float32Array(3 * 64 * 64), dims: [1, 3, 64, 64] },
    });
    for (const _ of Array(5)) {
      const outputs = await Promise.all(Array.from({ length: 40 }, () => inference.run(feeds())));
      for (const { y } of outputs) expect(y?.data[0]).toBe(7);
      await sleep(50);
    }
    expect(inference.lanes).toBe(1);
  } finally {
    await inference.close();
  }
});

it('tells why a file cannot be opened or a run fails, and goes on after that', async () => {
  await expect(openInference({ ...(await options()), path: '/nowhere.onnx' }, 1)).rejects.toThrow(
    '/nowhere.onnx',
  );
  const inference = await openInference(await options(), 1);
  try {
    await expect(inference.run({})).rejects.toThrow('image');
    expect(Object.keys(await inference.run(picture(0)))).toContain('boxes');
  } finally {
    await inference.close();
  }
});

it('gives up waiting for a lane when told to', async () => {
  const inference = await openInference(await options(), 1);
  try {
    const first = inference.run(picture(0));
    await expect(inference.run(picture(0), AbortSignal.timeout(1))).rejects.toThrow('timeout');
    await first;
  } finally {
    await inference.close();
  }
});

it('keeps the telemetry of the runtime off, whose files would lie in the scratch folder', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'darkroom-inference-'));
  try {
    const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
    const open = `
      const { openInference } = await import(${JSON.stringify(new URL('inference.ts', import.meta.url).href)});
      await openInference(${JSON.stringify(await options())}, 1);
      const { readdirSync } = await import('node:fs');
      console.log(JSON.stringify(readdirSync(process.env.TMPDIR)));
      process.exit(0);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', open], {
      env: { ...env, TMPDIR: scratch },
    });
    expect(JSON.parse(stdout)).toEqual([]);
    expect(await readdir(scratch)).toEqual([]);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
});
