/** Model files of other frameworks: told by what is in them, else by their names, and refused with the command that makes ONNX of them. */
import { basename, dirname, extname } from 'node:path';
import { ProblemError } from '@darkroom/contract';

const conversions = {
  torch: (file: string) =>
    'It is a model of PyTorch. Export it where its class is known: `yolo export model=' +
    `${file} format=onnx\` (Ultralytics), or \`python -c "import torch; model = torch.load('${file}', weights_only=False).eval(); ` +
    "torch.onnx.export(model, torch.zeros(1, 3, 224, 224), 'model.onnx')\"` with the size of its input (weights alone are loaded into their class first).",
  safetensors: () =>
    'It is weights alone (safetensors). Export the model they belong to: `optimum-cli export onnx --model FOLDER onnx/`, FOLDER the one it lies in ' +
    '(Hugging Face), or torch.onnx.export where its class is known.',
  pickle: (file: string) =>
    'It is a pickle, which runs code when it is opened, so it is never opened here. Where it was made: `python -c "import joblib, skl2onnx; ' +
    `model = joblib.load('${file}'); open('model.onnx', 'wb').write(skl2onnx.to_onnx(model, X[:1]).SerializeToString())"\` ` +
    '(scikit-learn, X its training data), or torch.onnx.export (PyTorch).',
  keras: (file: string) =>
    `It is a model of Keras. Convert it: \`python -c "import keras; keras.saving.load_model('${file}').export('model.onnx', format='onnx')"\` (Keras 3), ` +
    `or \`python -m tf2onnx.convert --keras ${file} --output model.onnx\`.`,
  savedModel: (file: string) =>
    `It is a SavedModel of TensorFlow. Convert its folder: \`python -m tf2onnx.convert --saved-model ${file} --output model.onnx\`.`,
  graph: (file: string) =>
    `It is a graph of TensorFlow. Convert it: \`python -m tf2onnx.convert --graphdef ${file} --inputs NAME:0 --outputs NAME:0 --output model.onnx\`; ` +
    'of a SavedModel, its folder by --saved-model.',
  tflite: (file: string) =>
    `It is a model of TensorFlow Lite. Convert it: \`python -m tf2onnx.convert --tflite ${file} --output model.onnx\`.`,
  engine: () => 'It fits one GPU and one version of TensorRT. Use the ONNX file it was built from.',
  openvino: () => 'It is a model of OpenVINO. Use the ONNX file it was converted from.',
  coreml: () => 'It is a model of Core ML. Export the original model to ONNX instead.',
} satisfies Record<string, (file: string) => string>;
type Framework = keyof typeof conversions;

const byExtension: Readonly<Record<string, Framework>> = {
  '.pt': 'torch',
  '.pth': 'torch',
  '.ckpt': 'torch',
  '.torchscript': 'torch',
  '.safetensors': 'safetensors',
  '.pkl': 'pickle',
  '.pickle': 'pickle',
  '.joblib': 'pickle',
  '.h5': 'keras',
  '.hdf5': 'keras',
  '.keras': 'keras',
  '.pb': 'graph',
  '.tflite': 'tflite',
  '.engine': 'engine',
  '.trt': 'engine',
  '.xml': 'openvino',
  '.mlmodel': 'coreml',
  '.mlpackage': 'coreml',
};

/** PyTorch's number at the start of files of before 1.6, as a pickle has it: LONG1, ten bytes. */
const TORCH_LEGACY = '\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19';

/** What the content says; undefined where it says nothing. */
function byContent(file: Buffer): Framework | undefined {
  const starts = (text: string, at = 0) => file.toString('latin1', at, at + text.length) === text;
  if (starts('PK\x03\x04')) return ofArchive(file);
  if (starts('\x89HDF\r\n\x1a\n')) return 'keras';
  if (starts('TFL3', 4)) return 'tflite';
  if (file[0] === 0x80 && (file[1] ?? 0) >= 2 && (file[1] ?? 0) <= 5)
    return starts(TORCH_LEGACY, 2) ? 'torch' : 'pickle';
  // Its header: length, little-endian, then JSON.
  if (file.length > 9 && starts('{"', 8) && file.readBigUInt64LE() < BigInt(file.length))
    return 'safetensors';
  // A SavedModel's first fields: schema version 1, then a graph. ONNX has its own version there, 3 or more.
  if (starts('\x08\x01\x12')) return 'savedModel';
  return undefined;
}

/** A zip: PyTorch's has `data.pkl` in a folder of its own, Keras' its weights and a `config.json` at its top. Names lie in the directory at its end. */
function ofArchive(file: Buffer): Framework | undefined {
  const names = file.toString('latin1', Math.max(0, file.length - 1_000_000));
  if (names.includes('/data.pkl')) return 'torch';
  return names.includes('model.weights.h5') ? 'keras' : undefined;
}

/** Throws `unsupported_model` with the way to convert it when the file is a model of another framework. */
export function refuseForeignModel(path: string, file: Buffer): void {
  const framework = byContent(file) ?? byExtension[extname(path).toLowerCase()];
  if (framework !== undefined) throw foreign(path, framework);
}

/** That a folder is no ONNX file either. */
export function foreignFolder(path: string, names: readonly string[]): ProblemError {
  if (names.includes('saved_model.pb')) return foreign(path, 'savedModel');
  const [model] = names.filter((name) => name.endsWith('.onnx'));
  return new ProblemError(
    'unsupported_model',
    `${path} is a folder. Set MODEL_PATH to the ONNX file${model === undefined ? '' : `, such as ${model}`} in it.`,
  );
}

function foreign(path: string, framework: Framework): ProblemError {
  const name = basename(path);
  const meant = framework === 'savedModel' && extname(path) === '.pb' ? basename(dirname(path)) : name;
  // As a shell takes it, where there is nothing odd in it.
  const shown = /^[\w@%+][\w.@%+-]*$/.test(meant) ? meant : framework === 'savedModel' ? 'FOLDER' : 'FILE';
  return new ProblemError(
    'unsupported_model',
    `${name} is not an ONNX model. ${conversions[framework](shown)}`,
  );
}
