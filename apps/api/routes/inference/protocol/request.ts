/**
 * An inference request of the Open Inference Protocol: JSON, and behind it the tensors that it does not hold itself.
 *
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md#inference-request-json-object
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
 */
import { ProblemError } from '@darkroom/contract';
import { dataFromJson } from '@darkroom/prediction/tensors/json.ts';
import {
  bytesOf,
  elementsOf,
  isNumeric,
  type Tensor,
  tensorHeader,
  tensorProblem,
} from '@darkroom/prediction/tensors/tensor.ts';
import { z } from 'zod';
import { validationProblem } from '../../../problems.ts';
import { jsonIn } from '../../../requests/body.ts';

/** Inputs, and outputs that are asked for, of one request. */
export const mostTensors = 64;
const mostName = 200;
/** Of one input of texts: no batch takes more pictures, and each element in JSON costs more memory than its bytes. */
const mostTexts = 256;

/** Values may be anything: those that are not known here are for others. */
export const parameters = z.record(z.string(), z.unknown());

const name = z.string().min(1).max(mostName);

export const requestInput = tensorHeader.extend({
  name,
  parameters: parameters.nullish(),
  data: z.unknown().optional(),
});

export const requestOutput = z.object({ name, parameters: parameters.nullish() });

export const requestHeader = z.object({
  id: z.string().max(1000).nullish(),
  parameters: parameters.nullish(),
  inputs: z.array(requestInput).min(1),
  outputs: z.array(requestOutput).nullish(),
});
type RequestHeader = z.infer<typeof requestHeader>;
type RequestInput = z.infer<typeof requestInput>;

export interface WantedOutput {
  readonly name: string;
  /** Whether it goes behind the JSON of the answer. */
  readonly binary: boolean;
}

export interface InferenceRequest {
  /** The client's own, given back to it. */
  readonly id: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Those of BYTES in JSON were base64. */
  readonly inputs: readonly Tensor[];
  /** Undefined where none are named. */
  readonly outputs: readonly WantedOutput[] | undefined;
  /** Of outputs that are not named. */
  readonly binary: boolean;
}

/** What tells of things that are not done here, where silence would be taken for doing them. */
const undone: Readonly<Record<string, string>> = {
  shared_memory_region: 'shared memory',
  sequence_id: 'sequences',
  classification: 'the classification extension',
};

/**
 * Reads a request whose JSON is the first `headerLength` bytes of the body, all of it where that is absent. Tensors of numbers that take more
 * than `mostBytes` together are refused before memory is taken for them. Throws ProblemError `invalid_request`, `payload_too_large`.
 */
export function parseRequest(
  body: Uint8Array,
  headerLength: number | undefined,
  mostBytes: number,
): InferenceRequest {
  const jsonBytes = headerLength ?? body.length;
  if (jsonBytes > body.length)
    throw new ProblemError(
      'invalid_request',
      `Inference-Header-Content-Length says ${jsonBytes} bytes; the body has ${body.length}.`,
    );
  const header = headerOf(body.subarray(0, jsonBytes));
  refuseUndone(header);
  requireDistinct('input', header.inputs);
  requireDistinct('output', header.outputs ?? []);
  const all = header.inputs.reduce((sum, input) => sum + (isNumeric(input) ? bytesOf(input) : 0), 0);
  if (all > mostBytes)
    throw new ProblemError(
      'payload_too_large',
      `The inputs take ${all} bytes by their shapes; the limit is ${mostBytes} (LIMIT_INFERENCE_BYTES).`,
    );
  const long = header.inputs.find((input) => !isNumeric(input) && elementsOf(input.shape) > mostTexts);
  if (long !== undefined)
    throw tensorProblem(
      long.name,
      `has ${elementsOf(long.shape)} elements; of BYTES ${mostTexts} are the most`,
    );
  const inputs = tensorsOf(header.inputs, body.subarray(jsonBytes));
  const binary = flag(header.parameters, 'binary_data_output') ?? false;
  const outputs = header.outputs?.map(({ name, parameters }) => ({
    name,
    binary: flag(parameters, 'binary_data') ?? binary,
  }));
  return {
    id: header.id ?? undefined,
    parameters: header.parameters ?? {},
    inputs,
    outputs: outputs?.length === 0 ? undefined : outputs,
    binary,
  };
}

function headerOf(bytes: Uint8Array): RequestHeader {
  const json = jsonIn(textOf(bytes), 'The body');
  requireFew(json);
  const { data, error } = requestHeader.safeParse(json);
  if (error) throw new ProblemError('invalid_request', validationProblem(error).message);
  return data;
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ProblemError(
      'invalid_request',
      'The JSON of the request is not UTF-8; where tensors follow it, Inference-Header-Content-Length says how long it is.',
    );
  }
}

/** Before each of a million is looked at. */
function requireFew(json: unknown): void {
  for (const key of ['inputs', 'outputs']) {
    const list = (json as Record<string, unknown> | null)?.[key];
    if (Array.isArray(list) && list.length > mostTensors)
      throw new ProblemError(
        'invalid_request',
        `There are ${list.length} ${key}; ${mostTensors} are the most.`,
      );
  }
}

function refuseUndone({ parameters, inputs, outputs }: RequestHeader): void {
  const given = [parameters, ...[...inputs, ...(outputs ?? [])].map((of) => of.parameters)];
  for (const [name, what] of Object.entries(undone))
    if (given.some((of) => of != null && Object.hasOwn(of, name)))
      throw new ProblemError('invalid_request', `The parameter ${name}: ${what} is not known here.`);
}

function requireDistinct(what: string, named: readonly { readonly name: string }[]): void {
  const [twice] = [...Map.groupBy(named, ({ name }) => name)].filter(([, same]) => same.length > 1);
  if (twice !== undefined) throw tensorProblem(twice[0], `is there twice as an ${what}`);
}

/** Tensors in JSON, and those that lie in `behind` one after the other, all of it being theirs. */
function tensorsOf(inputs: readonly RequestInput[], behind: Uint8Array): Tensor[] {
  let at = 0;
  const tensors = inputs.map(({ data, parameters, ...header }) => {
    const size = parameters?.binary_data_size;
    if (size === undefined && data === undefined)
      throw tensorProblem(header.name, 'has neither data nor binary_data_size');
    if (size === undefined) return { ...header, data: dataFromJson(header, data, 'base64') };
    if (data !== undefined) throw tensorProblem(header.name, 'has data, and binary_data_size as well');
    if (!Number.isSafeInteger(size) || (size as number) < 0)
      throw tensorProblem(header.name, 'has a binary_data_size that is no number of bytes');
    const end = at + (size as number);
    if (end > behind.length)
      throw tensorProblem(header.name, `ends ${end - behind.length} bytes behind the end of the body`);
    const bytes = behind.subarray(at, end);
    at = end;
    return { ...header, data: bytes };
  });
  if (at !== behind.length)
    throw new ProblemError(
      'invalid_request',
      `Behind the JSON are ${behind.length} bytes, and the inputs say ${at} (binary_data_size).`,
    );
  return tensors;
}

function flag(of: Readonly<Record<string, unknown>> | null | undefined, name: string): boolean | undefined {
  const value = of?.[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw new ProblemError('invalid_request', `The parameter ${name} is neither true nor false.`);
}
