/** What a file takes and gives, in the words of the Open Inference Protocol. */
import { type ModelTensors, ProblemError } from '@darkroom/contract';
import type { Datatype, NumericDatatype, NumericTensor } from '@darkroom/prediction/tensors/tensor.ts';
import type { Outputs } from '../detection.ts';
import type { Port } from './guess.ts';

/** By the runtime's names; what is not here is told by the runtime's own name, and nothing fits it. */
const datatypes: Readonly<Record<string, Datatype>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};

export const datatypeOf = (type: string): Datatype | undefined => datatypes[type];

/** The runtime's name. */
export const runtimeType = (datatype: NumericDatatype): never =>
  Object.keys(datatypes).find((type) => datatypes[type] === datatype) as never;

export const tensorsOf = ({
  inputs,
  outputs,
}: {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}): ModelTensors => ({ inputs: inputs.map(told), outputs: outputs.map(told) });

const told = ({ name, type, dims }: Port): ModelTensors['inputs'][number] => ({
  name,
  datatype: datatypeOf(type) ?? type,
  shape: dims.map((dim) => (typeof dim === 'number' && dim >= 0 ? dim : -1)),
});

/**
 * Outputs of a run on a picture, as the model gives them: halves were widened, and are narrowed to what they were. Throws ProblemError
 * `invalid_request` for a name that the model has not, or has of another datatype than floats.
 */
export function ownOutputs(
  given: Outputs,
  { tensors }: { readonly tensors?: ModelTensors | undefined },
  names: readonly string[],
): NumericTensor[] {
  return names.map((name) => {
    const datatype = tensors?.outputs.find((port) => port.name === name)?.datatype;
    const output = given[name];
    if (output === undefined || (datatype !== 'FP32' && datatype !== 'FP16'))
      throw new ProblemError('invalid_request', `The model gives no floats as ${JSON.stringify(name)}.`);
    const { buffer } = datatype === 'FP16' ? new Float16Array(output.data) : new Float32Array(output.data);
    return { name, datatype, shape: [...output.dims], data: new Uint8Array(buffer) };
  });
}
