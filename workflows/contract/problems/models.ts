/** What may be wrong with a model, and keep it from predicting. */
import { limit, ours, type ProblemKind, yours } from './fault.ts';

export const ofModels = {
  unknown_model: yours(422, 'There is no such model here', 'Use a model listed in `detail`.'),
  unknown_label: yours(
    422,
    'The model has no such label',
    'Use labels of the model as GET /v1/models lists them.',
  ),
  unsupported_model: ours(
    503,
    'The configured model cannot be used',
    'Set MODEL_PATH to an ONNX file; `detail` says how to convert this one.',
  ),
  invalid_model: yours(
    422,
    'The file is no model that can be registered',
    'Send an ONNX file with its card; `detail` says what is wrong, and how a file of another framework is converted.',
  ),
  model_version_exists: yours(
    409,
    'This version of the model is registered already',
    'Register the file under another version.',
  ),
  model_not_ready: yours(
    409,
    'This version of the model is not open',
    'Load it, and read its state: `detail` names what lacks.',
  ),
  model_in_use: yours(
    409,
    'This version of the model is in use',
    'Have the name in `detail` stand for another version first.',
  ),
  overloaded: ours(
    503,
    'More predictions are asked for than can be made in time',
    'Try again after the seconds in Retry-After, or ask the operator for more workers.',
  ),
  deadline_exceeded: {
    ...limit(
      504,
      'It was not made in time',
      'Send the request again; a prediction may be given a longer `deadline`.',
    ),
    retryable: true,
  },
  no_prediction_model: ours(
    503,
    'No worker has a model to predict with',
    'Ask the operator to do what `detail` says; then try again.',
  ),
} as const satisfies Record<string, ProblemKind>;
