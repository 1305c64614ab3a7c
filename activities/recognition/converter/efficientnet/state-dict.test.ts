import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTorchState } from './state-dict.ts';

// Opcodes, as torch.save writes them.
const bytes = (...parts: (string | number | Buffer)[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      Buffer.isBuffer(part) ? part : typeof part === 'number' ? Buffer.of(part) : Buffer.from(part, 'latin1'),
    ),
  );
const int = (value: number) => bytes('J', Buffer.from(Int32Array.of(value).buffer));
const text = (value: string) =>
  bytes('X', Buffer.from(Uint32Array.of(Buffer.byteLength(value)).buffer), Buffer.from(value));
const tuple = (...items: Buffer[]) => bytes('(', ...items, 't');
const pickle = (...parts: Buffer[]) => bytes('\x80\x02', ...parts, '.');
const global = (name: string) => bytes('c', name.replace(' ', '\n'), '\n');
const ordered = bytes(global('collections OrderedDict'), ')R');

const magic = pickle(bytes('\x8a\x0a', Buffer.from('6cfc9c46f9206aa85019', 'hex')));
const version = pickle(bytes('M', 0xe9, 0x03));
const machine = (little = true) =>
  pickle(bytes('}('), text('little_endian'), bytes(little ? '\x88' : '\x89', 'u'));

interface Parts {
  readonly type?: string;
  readonly count?: number;
  readonly told?: number;
  readonly offset?: number;
  readonly dims?: readonly number[];
  readonly strides?: readonly number[];
  readonly state?: Buffer;
  readonly little?: boolean;
  readonly behind?: Buffer;
}

/** A file with one tensor `weight` whose storage holds 0, 1, 2… */
function file({
  type = 'torch FloatStorage',
  count = 6,
  told = count,
  offset = 0,
  dims = [2, 3],
  strides = [3, 1],
  state,
  little = true,
  behind = Buffer.alloc(0),
}: Parts = {}): Buffer {
  const storage = bytes(
    tuple(text('storage'), global(type), text('7'), text('cpu'), int(count), bytes('N')),
    'Q',
  );
  const ints = (values: readonly number[]) => tuple(...values.map(int));
  const view = bytes(
    global('torch._utils _rebuild_tensor_v2'),
    tuple(storage, int(offset), ints(dims), ints(strides), bytes('\x89'), ordered),
    'R',
  );
  const size = type === 'torch LongStorage' ? 8 : 4;
  const values = Buffer.alloc(8 + told * size);
  values.writeBigInt64LE(BigInt(told));
  if (size === 4) for (let i = 0; i < told; i++) values.writeFloatLE(i, 8 + 4 * i);
  return bytes(
    magic,
    version,
    machine(little),
    // Attributes of the dict, as torch.save adds them.
    state ??
      pickle(
        ordered,
        bytes('('),
        text('weight'),
        view,
        bytes('u}('),
        text('_metadata'),
        ordered,
        bytes('ub'),
      ),
    pickle(bytes(']('), text('7'), bytes('e')),
    values,
    behind,
  );
}

describe('a state dict', () => {
  it('is read by its strides', () => {
    const { dims, data } = readTorchState(file()).get('weight') ?? {};
    expect([dims, data]).toEqual([[2, 3], Float32Array.of(0, 1, 2, 3, 4, 5)]);
    // As weights lie that came out of TensorFlow.
    const turned = readTorchState(file({ dims: [3, 2], strides: [1, 3] })).get('weight');
    expect(turned?.data).toEqual(Float32Array.of(0, 3, 1, 4, 2, 5));
    const part = readTorchState(file({ offset: 2, dims: [4], strides: [1] })).get('weight');
    expect(part?.data).toEqual(Float32Array.of(2, 3, 4, 5));
    const one = readTorchState(file({ offset: 3, dims: [], strides: [] })).get('weight');
    expect(one).toEqual({ dims: [], data: Float32Array.of(3) });
  });

  it('leaves out what training has counted', () => {
    expect(readTorchState(file({ type: 'torch LongStorage', count: 1, dims: [], strides: [] })).size).toBe(0);
  });

  const harm = pickle(global('os system'), tuple(text('touch /tmp/harm')), bytes('R'));
  it.each<[string, Buffer, RegExp]>([
    ['names a function of Python', file({ state: harm }), /"os system"/],
    ['has a storage of another type', file({ type: 'torch HalfStorage' }), /"torch HalfStorage"/],
    ['calls what is no function', file({ state: pickle(text('x'), bytes(')R')) }), /cannot be called/],
    ['makes an object', file({ state: pickle(bytes(')\x81')) }), /opcode 0x81/],
    ['is of a later protocol', bytes(magic, version, machine(), '\x80\x04N.'), /protocol 4/],
    [
      'has a tensor beyond its storage',
      file({ dims: [2, 4], strides: [3, 1] }),
      /does not lie in its storage/,
    ],
    [
      'has a tensor that is larger than its storage',
      file({ dims: [1000, 1000], strides: [0, 0] }),
      /does not lie/,
    ],
    ['has a tensor of nothing', file({ dims: [0, 3], strides: [3, 1] }), /does not lie/],
    ['has less values than it says', file({ told: 5 }), /another length/],
    ['ends early', file().subarray(0, -1), /ends early/],
    ['goes on behind its end', file({ behind: Buffer.alloc(3) }), /3 bytes behind its end/],
    ['is big-endian', file({ little: false }), /little-endian/],
    [
      'holds something else than tensors',
      file({ state: pickle(bytes('}('), text('a'), int(1), bytes('u')) }),
      /tensors/,
    ],
    ['has values of nothing', file({ state: pickle(ordered) }), /no tensor has/],
    ['is the layout of today', Buffer.from('PK\x03\x04'), /opcode 0x50/],
    ['is empty', Buffer.alloc(0), /ends early/],
  ])('that %s is refused', (_, content, why) => {
    expect(() => readTorchState(content)).toThrow(why);
  });

  it('of which any bytes are changed or missing is read or refused, and nothing else', () => {
    const whole = file();
    const changed = fc
      .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((edits) => {
        const copy = Buffer.from(whole);
        for (const [at, value] of edits) copy[at] = value;
        return copy;
      });
    const cut = fc.nat(whole.length).map((length) => whole.subarray(0, length));
    fc.assert(
      fc.property(fc.oneof(changed, cut), (content) => {
        try {
          for (const { dims, data } of readTorchState(content).values())
            expect(data).toHaveLength(dims.reduce((all, dim) => all * dim, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
