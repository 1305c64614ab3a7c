import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { defaultModelOptions } from '../testing/models.ts';
import { defaultModelPath } from './card/card.ts';
import { openInference } from './inference.ts';

const options = async () => ({
  path: defaultModelPath((await defaultModelOptions()).modelsDir),
  device: 'cpu' as const,
  threads: 1,
});
const picture = (value: number) => ({
  image: {
    type: 'float32' as const,
    data: new Float32Array(3 * 300 * 300).fill(value),
    dims: [1, 3, 300, 300],
  },
});

it('gives every run its own answer', async () => {
  const inference = await openInference(await options());
  try {
    const alone = [await inference.run(picture(0)), await inference.run(picture(1))];
    expect(alone[0]).not.toEqual(alone[1]);
    const runs = await Promise.all(Array.from({ length: 4 }, (_, i) => inference.run(picture(i % 2))));
    runs.forEach((outputs, i) => {
      expect(outputs).toEqual(alone[i % 2]);
    });
  } finally {
    await inference.close();
  }
});

it('tells why a file cannot be opened or a run fails, and goes on after that', async () => {
  await expect(openInference({ ...(await options()), path: '/nowhere.onnx' })).rejects.toThrow(
    '/nowhere.onnx',
  );
  const inference = await openInference(await options());
  try {
    await expect(inference.run({})).rejects.toThrow('image');
    expect(Object.keys(await inference.run(picture(0)))).toContain('boxes');
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
      await openInference(${JSON.stringify(await options())});
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
