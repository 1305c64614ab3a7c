/**
 * The answer to an inference request: JSON, and behind it the outputs that are wanted there.
 *
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md#inference-response-json-object
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
 */
import { dataToJson } from '@darkroom/prediction/tensors/json.ts';
import type { Tensor } from '@darkroom/prediction/tensors/tensor.ts';

export interface InferenceAnswer {
  readonly model: { readonly name: string; readonly version: string };
  readonly id: string | undefined;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly outputs: readonly (Tensor & { readonly binary: boolean })[];
}

export interface EncodedAnswer {
  readonly body: Buffer;
  /** Bytes of the JSON, where outputs follow it. */
  readonly headerLength: number | undefined;
}

/**
 * Throws ProblemError `invalid_request` for an output that JSON has no words for, `too_large` for numbers that have more than `mostJsonBytes`
 * there, all outputs together.
 */
export function encodeAnswer(
  { model, id, parameters, outputs }: InferenceAnswer,
  mostJsonBytes: number,
): EncodedAnswer {
  const about = {
    model_name: model.name,
    model_version: model.version,
    ...(id !== undefined && { id }),
    parameters,
  };
  let left = mostJsonBytes;
  const written = outputs.map((output) => {
    const text = outputInJson(output, left);
    left = Math.max(0, left - text.length);
    return text;
  });
  const json = Buffer.from(`${JSON.stringify(about).slice(0, -1)},"outputs":[${written.join(',')}]}`);
  const behind = outputs.filter(({ binary }) => binary).map(({ data }) => data);
  return {
    body: Buffer.concat([json, ...behind]),
    headerLength: behind.length === 0 ? undefined : json.length,
  };
}

/** Written by hand around the elements: they are text already, exact where they are of 64 bits. */
function outputInJson(output: Tensor & { readonly binary: boolean }, mostBytes: number): string {
  const { name, datatype, shape, data, binary } = output;
  const header = {
    name,
    datatype,
    shape,
    ...(binary && { parameters: { binary_data_size: data.length } }),
  };
  return binary
    ? JSON.stringify(header)
    : `${JSON.stringify(header).slice(0, -1)},"data":${dataToJson(output, mostBytes)}}`;
}
