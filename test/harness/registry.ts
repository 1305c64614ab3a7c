/** An operator of the registry of models, and models that say which they are. */
import {
  type ModelAlias,
  type ModelVersionDetail,
  modelAlias,
  modelVersionDetail,
  problemDocument,
} from '@darkroom/contract';
import { encodeOnnx, type OnnxGraph } from '@darkroom/recognition/model/onnx/onnx.ts';
import type { ApiUser } from './user.ts';

/** What is registered. */
export interface ModelSource {
  readonly file: Buffer;
  readonly card: object;
}

const side = 32;
const classes = 4;
const card = {
  task: 'classifier',
  outputs: 'logits',
  labels: Array.from({ length: classes }, (_, of) => `class ${of}`),
  preprocess: {
    resize: { mode: 'squash', size: side, filter: 'lanczos3' },
    colour: 'rgb',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    layout: 'nchw',
    dtype: 'float32',
  },
};
const graph: Omit<OnnxGraph, 'nodes' | 'initializers'> = {
  name: 'constant',
  inputs: [{ name: 'image', dims: [1, 3, side, side] }],
  outputs: [{ name: 'logits', dims: [1, classes] }],
};

/** A classifier that sees that class, up to 3, in every picture: an answer tells which version gave it. */
export function constantClassifier(of: number): ModelSource {
  const data = new Float32Array(classes);
  data[of] = 9;
  const file = encodeOnnx({
    ...graph,
    nodes: [{ op: 'Identity', inputs: ['value'], output: 'logits' }],
    initializers: [{ name: 'value', dims: [1, classes], data }],
  });
  return { file, card };
}

/** One that ONNX Runtime does not open. */
export const brokenClassifier = (): ModelSource => ({
  file: encodeOnnx({
    ...graph,
    nodes: [{ op: 'NoSuchOperator', inputs: ['image'], output: 'logits' }],
    initializers: [],
  }),
  card,
});

export class ModelOperator {
  readonly #user: ApiUser;
  readonly #name: string;

  /** `user` has a key of an operator. */
  constructor(user: ApiUser, name: string) {
    this.#user = user;
    this.#name = name;
  }

  /** Registers a version and waits until it was tried; what came of it. */
  async register(version: string, { file, card }: ModelSource): Promise<ModelVersionDetail> {
    const form = new FormData();
    for (const [field, text] of Object.entries({ name: this.#name, version, card: JSON.stringify(card) }))
      form.append(field, text);
    form.append('file', new File([new Uint8Array(file)], 'model.onnx'));
    await read(await this.#user.call('/v1/models', { method: 'POST', body: form }));
    return this.until(version, ({ state }) => state !== 'candidate');
  }

  /** Has it opened by all workers, or tried again and failed. */
  async load(version: string): Promise<ModelVersionDetail> {
    await this.call('POST', `versions/${version}/load`);
    return this.until(
      version,
      // Its workers are counted by a question of their own.
      ({ state, workers, confirmations }) =>
        state === 'failed' || (workers > 0 && confirmations.every((one) => one.state === 'ready')),
    );
  }

  /** Has it let go of by all workers. */
  async unload(version: string): Promise<void> {
    await this.call('POST', `versions/${version}/unload`);
    await this.until(version, ({ confirmations }) => confirmations.length === 0);
  }

  async setAlias(target: object, alias = 'production'): Promise<ModelAlias> {
    return modelAlias.parse(await this.call('PUT', `aliases/${alias}`, target));
  }

  async rollBack(alias = 'production'): Promise<ModelAlias> {
    return modelAlias.parse(await this.call('POST', `aliases/${alias}/rollback`));
  }

  /** Waits until what is told of a version is as `is` wants it. */
  async until(version: string, is: (now: ModelVersionDetail) => boolean): Promise<ModelVersionDetail> {
    const late = Date.now() + 60_000;
    for (;;) {
      const now = modelVersionDetail.parse(await this.call('GET', `versions/${version}`));
      if (is(now)) return now;
      if (Date.now() > late) throw new Error(`${this.#name} ${version} stays ${JSON.stringify(now)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What is answered under the model's address; throws what is no success. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const json =
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    return read(await this.#user.call(`/v1/models/${this.#name}/${path}`, { method, ...json }));
  }
}

async function read(reply: Response): Promise<unknown> {
  if (reply.ok) return reply.status === 204 ? undefined : reply.json();
  const { code, detail } = problemDocument.parse(await reply.json());
  throw Object.assign(new Error(`${reply.status} ${code}: ${detail}`), { code });
}
