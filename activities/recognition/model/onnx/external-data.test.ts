import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ExternalDataScan } from './external-data.ts';
import { encodeOnnx } from './onnx.ts';
import { bytes, integer, message } from './protobuf.ts';

const whole = encodeOnnx({
  name: 'shifted',
  inputs: [{ name: 'x', dims: [1, 4] }],
  outputs: [{ name: 'y', dims: [1, 4] }],
  nodes: [{ op: 'Add', inputs: ['x', 'three'], output: 'y', attributes: { pads: [1, 2], mode: 'edge' } }],
  initializers: [{ name: 'three', dims: [5000], data: new Float32Array(5000).fill(3) }],
  metadata: { names: 'wren, robin' },
});
/** A tensor as field of a message, whose data lies in a file of that name. */
const outside = (field: number, location: string) =>
  message(field, [
    integer(1, 4),
    bytes(8, 'weights'),
    message(13, [bytes(1, 'location'), bytes(2, location)]),
    message(13, [bytes(1, 'offset'), bytes(2, '0')]),
    integer(14, 1),
  ]);
const found = (file: Uint8Array, size: number): string | undefined => {
  const scan = new ExternalDataScan();
  for (let at = 0; at < file.length; at += size) scan.push(file.subarray(at, at + size));
  return scan.found;
};

it('is found wherever a tensor may be, however the bytes come', () => {
  const files = {
    initializer: message(7, [outside(5, 'a.data')]),
    'sparse initializer': message(7, [message(15, [outside(2, 'a.data')])]),
    attribute: message(7, [message(1, [bytes(4, 'Constant'), message(5, [outside(5, 'a.data')])])]),
    'graph of a branch': message(7, [message(1, [message(5, [message(6, [outside(5, 'a.data')])])])]),
    function: message(25, [message(7, [message(5, [outside(10, 'a.data')])])]),
  };
  for (const [where, file] of Object.entries(files))
    for (const size of [1, 7, 1e6])
      expect([where, size, found(Buffer.concat([whole, file]), size)]).toEqual([where, size, 'a.data']);
});

it('is none where all is in the file, nor where it only looks so', () => {
  expect(found(whole, 10)).toBeUndefined();
  // The same bytes as what a tensor holds, and as a text.
  const within = message(7, [
    message(5, [bytes(9, outside(5, 'a.data')), integer(14, 0)]),
    bytes(10, outside(5, 'a')),
  ]);
  expect(found(Buffer.concat([whole, within]), 13)).toBeUndefined();
});

it('reads what is no model without running away', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (file, size) => {
      found(file, size);
    }),
    { numRuns: 500, examples: [[Uint8Array.from({ length: 40 }, () => 0xff), 3]] },
  );
});
