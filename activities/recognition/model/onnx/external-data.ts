/**
 * Whether an ONNX file has weights that lie in files beside it, told as its bytes go by: it is never in memory whole.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import { fieldsOf, readVarint } from './protobuf.ts';

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'function' | 'sparse' | 'tensor';

/** Fields by which a tensor is got to. */
const within: Readonly<Record<Message, ReadonlyMap<number, Message>>> = {
  model: new Map([
    [7, 'graph'],
    [25, 'function'],
  ]),
  graph: new Map([
    [1, 'node'],
    [5, 'tensor'],
    [15, 'sparse'],
  ]),
  function: new Map([[7, 'node']]),
  node: new Map([[5, 'attribute']]),
  attribute: new Map([
    [5, 'tensor'],
    [6, 'graph'],
    [10, 'tensor'],
    [11, 'graph'],
    [22, 'sparse'],
    [23, 'sparse'],
  ]),
  sparse: new Map([
    [1, 'tensor'],
    [2, 'tensor'],
  ]),
  tensor: new Map(),
};
/** Of TensorProto: an entry of a key and a value, and 1 where the data lies elsewhere. */
const [externalData, dataLocation] = [13, 14];
/** An entry is a few words; a longer one is passed over. */
const entryBytes = 4096;
/** Graphs within graphs beyond that are no exporter's. */
const deepest = 100;

export class ExternalDataScan {
  /** The messages that the next byte is in, the outermost first, and where each ends. */
  readonly #in: { readonly message: Message; readonly end: number }[] = [
    { message: 'model', end: Number.POSITIVE_INFINITY },
  ];
  /** Of a field that came in part. */
  #begun = Buffer.alloc(0);
  /** Bytes that nothing is to be known of. */
  #skip = 0;
  /** How far it was read. */
  #at = 0;
  /** What is no protobuf is left to whoever opens it. */
  #isOver = false;
  #location = '';
  #found: string | undefined;

  /** The first such file, as the model calls it; empty where it does not say. Undefined where none was seen. */
  get found(): string | undefined {
    return this.#found;
  }

  /** The next bytes of the file. */
  push(chunk: Uint8Array): void {
    if (this.#isOver) return;
    const passed = Math.min(this.#skip, chunk.length);
    this.#skip -= passed;
    this.#at += passed;
    const rest = Buffer.from(chunk.buffer, chunk.byteOffset + passed, chunk.length - passed);
    const bytes = this.#begun.length === 0 ? rest : Buffer.concat([this.#begun, rest]);
    let next = 0;
    while (!this.#isOver && next < bytes.length) {
      const taken = this.#taken(bytes.subarray(next));
      if (taken === undefined) break;
      this.#at += taken;
      next += taken;
    }
    // A copy: the rest of the chunk is not kept for it.
    this.#begun = Buffer.from(bytes.subarray(next));
  }

  #taken(bytes: Buffer): number | undefined {
    try {
      return this.#field(bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#isOver = true;
      return undefined;
    }
  }

  /** Reads a field, and returns how many of the bytes it took; undefined where more are wanted for that. */
  #field(bytes: Buffer): number | undefined {
    while (this.#at >= (this.#in.at(-1)?.end ?? 0)) this.#in.pop();
    const inner = this.#in.at(-1);
    const key = readVarint(bytes, 0);
    if (key === undefined || inner === undefined) return undefined;
    const [field, wireType] = [Math.floor(key.value / 8), key.value % 8];
    if (wireType === 5 || wireType === 1) return this.#pass(bytes, key.end + (wireType === 5 ? 4 : 8));
    const value = readVarint(bytes, key.end);
    if (value === undefined) return undefined;
    if (wireType === 0) {
      if (inner.message === 'tensor' && field === dataLocation && value.value === 1) this.#find();
      return value.end;
    }
    const end = value.end + value.value;
    if (wireType !== 2 || this.#at + end > inner.end) {
      this.#isOver = true;
      return undefined;
    }
    const message = within[inner.message].get(field);
    if (message !== undefined && this.#in.length < deepest) {
      this.#in.push({ message, end: this.#at + end });
      if (message === 'tensor') this.#location = '';
      return value.end;
    }
    if (inner.message !== 'tensor' || field !== externalData || value.value > entryBytes)
      return this.#pass(bytes, end);
    if (bytes.length < end) return undefined;
    this.#entry(bytes.subarray(value.end, end));
    return end;
  }

  #pass(bytes: Buffer, end: number): number {
    const taken = Math.min(end, bytes.length);
    this.#skip = end - taken;
    return taken;
  }

  #entry(bytes: Buffer): void {
    const texts = new Map(
      [...fieldsOf(bytes)].map(({ field, content }) => [field, content?.toString('utf8') ?? '']),
    );
    if (texts.get(1) === 'location') this.#location = texts.get(2) ?? '';
  }

  #find(): void {
    this.#found = this.#location;
    this.#isOver = true;
  }
}
