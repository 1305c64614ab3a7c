/** Model files of other frameworks: refused by name or by first bytes, with the way to ONNX. */
import { basename, extname } from 'node:path';
import { ProblemError } from '@darkroom/contract';

const torch =
  'Export it where it was trained: `yolo export model=FILE format=onnx` (Ultralytics), or ' +
  '`torch.onnx.export(model, torch.zeros(1, 3, 640, 640), "model.onnx")`.';
const pickle =
  'A pickle runs code when it is opened, so it is never opened here. Load it where it was made and export the model to ONNX ' +
  '(skl2onnx for scikit-learn, torch.onnx.export for PyTorch).';
const keras =
  'Convert it: `python -m tf2onnx.convert --saved-model DIR --output model.onnx` (save it as a SavedModel first).';
const tflite = 'Convert it: `python -m tf2onnx.convert --tflite FILE --output model.onnx`.';
const engine = 'It fits one GPU and one version of TensorRT. Use the ONNX file it was built from.';
const openvino = 'Use the ONNX file it was converted from.';
const coreml = 'Export the original model to ONNX instead.';

const byExtension: Readonly<Record<string, string>> = {
  '.pt': torch,
  '.pth': torch,
  '.ckpt': torch,
  '.safetensors': torch,
  '.torchscript': torch,
  '.pkl': pickle,
  '.pickle': pickle,
  '.joblib': pickle,
  '.h5': keras,
  '.hdf5': keras,
  '.keras': keras,
  '.pb': keras,
  '.tflite': tflite,
  '.engine': engine,
  '.trt': engine,
  '.xml': openvino,
  '.mlmodel': coreml,
  '.mlpackage': coreml,
};

/** First bytes (latin1, at an offset) of files that carry a wrong name. */
const byContent: readonly { readonly at: number; readonly start: string; readonly next: string }[] = [
  { at: 0, start: 'PK\x03\x04', next: torch },
  { at: 0, start: '\x89HDF', next: keras },
  { at: 4, start: 'TFL3', next: tflite },
  ...[2, 3, 4, 5].map((protocol) => ({ at: 0, start: `\x80${String.fromCharCode(protocol)}`, next: pickle })),
];

/** Throws `unsupported_model` with the way to convert it when the file is a model of another framework. */
export function refuseForeignModel(path: string, file: Buffer): void {
  const extension = extname(path).toLowerCase();
  const next =
    byExtension[extension] ??
    byContent.find(({ at, start }) => file.toString('latin1', at, at + start.length) === start)?.next;
  if (next !== undefined)
    throw new ProblemError('unsupported_model', `${basename(path)} is not an ONNX model. ${next}`);
}
