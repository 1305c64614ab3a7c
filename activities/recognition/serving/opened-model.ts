/** What others are told of a model that was opened and tried. Pure. */
import { type ModelLabel, type ModelTensors, type OpenedModel, storable } from '@darkroom/contract';
import type { ModelLabels } from '../model/card/card.ts';
import { inputSizeOf, type Preprocess } from '../model/card/preprocess.ts';
import { type AnyUnderstanding, isClassifier } from '../model/understanding/understand.ts';

/** Names out of an ONNX file may hold what Postgres takes in no text. */
export function openedModelOf(model: AnyUnderstanding): OpenedModel {
  const { identity, head, guessed, understood, labels, tensors } = model;
  const input = isClassifier(model) ? inputOf(model.preprocess) : model.input;
  const told = {
    ...identity,
    family: head,
    guessed,
    understood: storable(understood),
    labels: labelList(labels).map(({ classId, label }) => ({ classId, label: storable(label) })),
    input,
  };
  return tensors === undefined ? told : { ...told, tensors: storableTensors(tensors) };
}

const storableTensors = (tensors: ModelTensors): ModelTensors => {
  const named = <P extends { readonly name: string }>(port: P): P => ({ ...port, name: storable(port.name) });
  return { ...tensors, inputs: tensors.inputs.map(named), outputs: tensors.outputs.map(named) };
};

function inputOf(how: Preprocess): OpenedModel['input'] {
  const { resize, crop, alpha: _, ...numbers } = how;
  const pad = resize.mode === 'letterbox' ? resize.pad : 0;
  return { ...inputSizeOf(how), ...numbers, fit: crop === undefined ? fitOf(resize) : 'crop', pad };
}

function fitOf(resize: Preprocess['resize']): OpenedModel['input']['fit'] {
  switch (resize.mode) {
    case 'squash':
      return 'stretch';
    case 'letterbox':
      return resize.position === 'center' ? 'letterbox' : 'letterbox-topleft';
    case 'cover':
      return 'cover';
    case 'shortest-edge':
      return 'crop';
  }
}

const labelList = (labels: ModelLabels): ModelLabel[] =>
  Array.isArray(labels)
    ? labels.map((label, classId) => ({ classId, label }))
    : Object.entries(labels).map(([id, label]) => ({ classId: Number(id), label }));
