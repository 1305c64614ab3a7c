/**
 * Reads a TensorFlow.js graph model: `model.json` (topology, weights manifest) and its shards.
 * Only what a frozen float32/int32 inference graph needs; anything else is refused.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

// In this old format strings are arrays of char codes, 64-bit integers are decimal strings.
const attribute = z.looseObject({
  i: z.string().optional(),
  f: z.number().optional(),
  s: z.array(z.number()).optional(),
  list: z.looseObject({ i: z.array(z.string()).optional() }).optional(),
});

const modelFile = z.object({
  modelTopology: z.object({
    node: z.array(
      z.object({
        name: z.string(),
        op: z.string(),
        input: z.array(z.string()).default([]),
        attr: z.record(z.string(), attribute).default({}),
      }),
    ),
  }),
  weightsManifest: z.array(
    z.object({
      paths: z.array(z.string().regex(/^[\w.-]+$/, 'a shard lies beside model.json')),
      weights: z.array(
        z.strictObject({
          name: z.string(),
          shape: z.array(z.int().nonnegative()),
          dtype: z.enum(['float32', 'int32']),
        }),
      ),
    }),
  ),
});

export interface TfNode {
  readonly name: string;
  readonly op: string;
  /** Names of nodes; an output index other than 0 is kept as `name:1`. */
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, z.infer<typeof attribute>>>;
}

export interface TfConstant {
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface TfGraph {
  readonly nodes: ReadonlyMap<string, TfNode>;
  readonly constants: ReadonlyMap<string, TfConstant>;
}

/** Reads the model in `folder`. Throws when the files do not fit together or hold what is not supported. */
export async function readTfjsGraph(folder: string): Promise<TfGraph> {
  const parsed: unknown = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
  const model = modelFile.parse(parsed);
  const constants = new Map<string, TfConstant>();
  for (const { paths, weights } of model.weightsManifest) {
    const shards = Buffer.concat(await Promise.all(paths.map((path) => readFile(join(folder, path)))));
    // Copied, because typed arrays need an aligned start and a pooled Buffer may not have one.
    const aligned = new Uint8Array(shards).buffer;
    let offset = 0;
    for (const { name, shape, dtype } of weights) {
      const length = shape.reduce((product, dim) => product * dim, 1);
      const data =
        dtype === 'float32'
          ? new Float32Array(aligned, offset, length)
          : new Int32Array(aligned, offset, length);
      constants.set(name, { dims: shape, data });
      offset += length * 4;
    }
    if (offset !== shards.length) throw new Error(`the shards hold ${shards.length} bytes, not ${offset}`);
  }
  const nodes = new Map(
    model.modelTopology.node.map(({ name, op, input, attr }) => [
      name,
      { name, op, inputs: input, attributes: attr },
    ]),
  );
  return { nodes, constants };
}

/** Text of a string attribute. */
export function attributeText(node: TfNode, name: string): string {
  return String.fromCharCode(...(node.attributes[name]?.s ?? []));
}

/** Values of an attribute that is a list of integers. */
export function attributeIntegers(node: TfNode, name: string): number[] {
  return (node.attributes[name]?.list?.i ?? []).map(Number);
}
