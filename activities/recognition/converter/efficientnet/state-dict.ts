/**
 * Reads a state dict that PyTorch saved before 1.6 (`.pth`, the legacy layout): pickles of a magic number, a protocol, what the machine
 * is like, the state dict and the keys of its storages; then, for each key, a count (int64) and the values.
 * Source: https://github.com/pytorch/pytorch/blob/v2.9.1/torch/serialization.py `_legacy_save`.
 */
import { Dict, Named, Opaque, type PickleRules, readPickle, type Sequence, type Value } from './pickle.ts';

export interface TorchTensor {
  readonly dims: readonly number[];
  /** Row by row, whatever its strides in the file. */
  readonly data: Float32Array;
}

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** Bytes of a value. */
const storageTypes = { 'torch FloatStorage': 4, 'torch LongStorage': 8 } as const;
type StorageType = keyof typeof storageTypes;

class Storage extends Opaque {
  readonly type: StorageType;
  readonly key: string;
  readonly count: number;

  constructor(type: StorageType, key: string, count: number) {
    super();
    this.type = type;
    this.key = key;
    this.count = count;
  }
}

/** A tensor before its values have been read. */
class View extends Opaque {
  readonly storage: Storage;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: Storage, offset: number, dims: readonly number[], strides: readonly number[]) {
    super();
    const length = product(dims);
    const last = dims.reduce((sum, dim, axis) => sum + (dim - 1) * (strides[axis] ?? 0), offset);
    if (dims.length !== strides.length || length === 0 || length > storage.count || last >= storage.count)
      throw new Error('a tensor does not lie in its storage');
    this.storage = storage;
    this.offset = offset;
    this.dims = dims;
    this.strides = strides;
  }
}

/**
 * The tensors of float32 by their names; those of int64 (what batch normalisation has counted in training) are passed over. Runs nothing
 * that the file says, and takes no more memory than a few times its length. Throws an Error that says what in it is not as it should be.
 */
export function readTorchState(file: Buffer): ReadonlyMap<string, TorchTensor> {
  let at = 0;
  const read = (): Value => {
    const { value, end } = readPickle(file, at, rules);
    at = end;
    return value;
  };
  if (read() !== MAGIC) throw new Error('it is no PyTorch file of the legacy layout');
  if (read() !== PROTOCOL) throw new Error('it is of another version of the legacy layout');
  const machine = read();
  if (!(machine instanceof Dict) || machine.get('little_endian') !== true)
    throw new Error('it is not little-endian');
  const state = read();
  if (!(state instanceof Dict)) throw new Error('it is no state dict');
  const views = new Map([...state].map(([name, view]) => [textOf(name), viewOf(view)]));
  const storages = new Map([...views.values()].map(({ storage }) => [storage.key, storage]));
  const values = new Map<string, Float32Array>();
  for (const key of listOf(read()).map(textOf)) {
    const storage = storages.get(key);
    if (storage === undefined || values.has(key))
      throw new Error(`it has values of a storage ${key} that no tensor has`);
    if (file.length < at + 8 || file.readBigInt64LE(at) !== BigInt(storage.count))
      throw new Error(`the storage ${key} has another length than its tensors say`);
    const from = at + 8;
    at = from + storage.count * storageTypes[storage.type];
    if (at > file.length) throw new Error('it ends early');
    // Copied, because typed arrays need an aligned start.
    const raw = storage.type === 'torch FloatStorage' ? file.subarray(from, at) : new Uint8Array();
    values.set(key, new Float32Array(new Uint8Array(raw).buffer));
  }
  if (at !== file.length) throw new Error(`it has ${file.length - at} bytes behind its end`);
  return new Map(
    [...views].flatMap(([name, view]) => {
      if (view.storage.type !== 'torch FloatStorage') return [];
      const data = values.get(view.storage.key);
      if (data === undefined) throw new Error(`it has no values of ${name}`);
      return [[name, { dims: view.dims, data: gather(data, view) }] as const];
    }),
  );
}

const rules: PickleRules = {
  globals: new Map([
    ...Object.keys(storageTypes).map((name) => [name, new Named(name)] as const),
    ['collections OrderedDict', new Named('collections OrderedDict', () => new Dict())],
    ['torch._utils _rebuild_tensor_v2', new Named('torch._utils _rebuild_tensor_v2', rebuildTensor)],
  ]),
  persistent(id) {
    const [kind, type, key, , count, view] = listOf(id);
    const known = type instanceof Named ? type.name : undefined;
    if (kind !== 'storage' || view !== null || !isStorageType(known))
      throw new Error('a pickle refers to what is no plain storage');
    return new Storage(known, textOf(key), sizeOf(count));
  },
};

/** storage, offset, size, stride, and what concerns training alone. */
function rebuildTensor([storage, offset, size, stride]: Sequence): View {
  if (!(storage instanceof Storage)) throw new Error('a tensor has no storage');
  return new View(storage, sizeOf(offset), listOf(size).map(sizeOf), listOf(stride).map(sizeOf));
}

/** The values of a view row by row. */
function gather(values: Float32Array, { offset, dims, strides }: View): Float32Array {
  const data = new Float32Array(product(dims));
  const index = dims.map(() => 0);
  let from = offset;
  for (let i = 0; i < data.length; i++) {
    data[i] = values[from] ?? 0;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] ?? 0;
      index[axis] = (index[axis] ?? 0) + 1;
      from += stride;
      if (index[axis] !== dims[axis]) break;
      from -= stride * (dims[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return data;
}

const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

const isStorageType = (name: string | undefined): name is StorageType =>
  name !== undefined && Object.hasOwn(storageTypes, name);

function listOf(value: Value | undefined): Sequence {
  if (Array.isArray(value)) return value;
  throw new Error('a pickle has something else where a list or tuple belongs');
}

function textOf(value: Value | undefined): string {
  if (typeof value === 'string') return value;
  throw new Error('a pickle has something else where text belongs');
}

function sizeOf(value: Value | undefined): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw new Error('a pickle has something else where a size belongs');
}

function viewOf(value: Value): View {
  if (value instanceof View) return value;
  throw new Error('the state dict holds something else than tensors');
}
