import { gzipSync } from 'node:zlib';
import { writeElements } from '@darkroom/prediction/tensors/elements.ts';
import { bytesOf, numericDatatypes, type Tensor } from '@darkroom/prediction/tensors/tensor.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PictureMemory } from '../../../predicting/memory.ts';
import { encodeAnswer } from './answer.ts';
import { decodeBody, encodeBody } from './encoding.ts';
import { requireShortJson } from './json-size.ts';
import { parseRequest } from './request.ts';

const most = 1_000_000;

const tensors: fc.Arbitrary<(Tensor & { binary: boolean })[]> = fc.uniqueArray(
  fc
    .record({
      name: fc.string({ minLength: 1, maxLength: 20 }),
      datatype: fc.constantFrom(...numericDatatypes, 'BYTES' as const),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    })
    .chain(({ datatype, ...header }): fc.Arbitrary<Tensor & { binary: boolean }> => {
      if (datatype === 'BYTES')
        return fc.array(fc.uint8Array({ maxLength: 30 })).map((all) => ({
          ...header,
          datatype,
          shape: [all.length],
          data: writeElements(all),
          binary: true,
        }));
      const length = bytesOf({ ...header, datatype });
      // Of small values: JSON has words for each of them.
      const data = fc.uint8Array({ minLength: length, maxLength: length, max: 1 });
      return fc
        .tuple(data, fc.boolean())
        .map(([data, binary]) => ({ ...header, datatype, data, binary: binary || /64/.test(datatype) }));
    }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 5 },
);

test('what is written is read as it was, each tensor in JSON or behind it', () => {
  fc.assert(
    fc.property(tensors, (outputs) => {
      const told = { model: { name: 'm', version: '1' }, id: 'an id', parameters: {}, outputs };
      const { body, headerLength } = encodeAnswer(told, most);
      // An answer's outputs are written as a request's inputs are.
      const json = body
        .toString('utf8', 0, headerLength)
        .replace(/"outputs":(?=\[[^"]*\{"name")/, '"inputs": ');
      const request = Buffer.concat([Buffer.from(json), body.subarray(headerLength ?? body.length)]);
      const length = headerLength === undefined ? undefined : Buffer.byteLength(json);
      const read = parseRequest(request, length, most);
      expect(read.id).toBe('an id');
      expect(read.inputs.map(({ data, ...header }) => ({ ...header, data: [...data] }))).toEqual(
        outputs.map(({ binary, data, ...header }) => ({ ...header, data: [...data] })),
      );
    }),
    { numRuns: 300 },
  );
});

describe('a request that is none is refused', () => {
  const x = { name: 'x', datatype: 'FP32', shape: [1], data: [1] };
  const behind = (size: unknown) => ({
    name: 'x',
    datatype: 'UINT8',
    shape: [4],
    parameters: { binary_data_size: size },
  });
  const cases: [what: string, json: unknown, tail?: number, length?: number][] = [
    ['is not an object', []],
    ['inputs', {}],
    ['inputs', { inputs: [] }],
    ['inputs', { inputs: 'all' }],
    ['65 inputs', { inputs: Array(65).fill(x) }],
    ['outputs', { inputs: [x], outputs: Array(65).fill({ name: 'y' }) }],
    ['twice', { inputs: [x, x] }],
    ['twice', { inputs: [x], outputs: [{ name: 'y' }, { name: 'y' }] }],
    ['datatype', { inputs: [{ ...x, datatype: 'BF16' }] }],
    ['shape', { inputs: [{ ...x, shape: [-1] }] }],
    ['shape', { inputs: [{ ...x, shape: [1.5] }] }],
    ['shape', { inputs: [{ ...x, shape: Array(17).fill(1) }] }],
    ['shape', { inputs: [{ ...x, shape: [2 ** 60] }] }],
    ['LIMIT_INFERENCE_BYTES', { inputs: [{ ...x, shape: [2 ** 40, 2 ** 40] }] }],
    ['LIMIT_INFERENCE_BYTES', { inputs: [{ ...x, shape: [500_000] }] }],
    ['256 are the most', { inputs: [{ ...x, datatype: 'BYTES', shape: [257], data: Array(257).fill('') }] }],
    ['neither data', { inputs: [{ ...x, data: undefined }] }],
    ['as well', { inputs: [{ ...x, ...behind(4), data: [1] }] }, 4],
    ['no number of bytes', { inputs: [behind(-1)] }, 4],
    ['no number of bytes', { inputs: [behind('4')] }, 4],
    ['no number of bytes', { inputs: [behind(1e300)] }, 4],
    ['behind the end', { inputs: [behind(5)] }, 4],
    ['the inputs say 3', { inputs: [behind(3)] }, 4],
    ['the inputs say 0', { inputs: [x] }, 1],
    ['shared memory', { inputs: [{ ...x, parameters: { shared_memory_region: 'r' } }] }],
    ['classification', { inputs: [x], outputs: [{ name: 'y', parameters: { classification: 3 } }] }],
    ['sequences', { inputs: [x], parameters: { sequence_id: 1 } }],
    ['binary_data_output', { inputs: [x], parameters: { binary_data_output: 'yes' } }],
    ['binary_data', { inputs: [x], outputs: [{ name: 'y', parameters: { binary_data: 1 } }] }],
    ['the body has', { inputs: [x] }, 0, 10_000],
    ['not JSON', { inputs: [x] }, 0, 3],
    ['not JSON', { inputs: [x] }, 0, 0],
  ];
  test.each(cases)('%s: %j', (what, json, tail, length) => {
    const head = Buffer.from(JSON.stringify(json));
    const body = Buffer.concat([head, Buffer.alloc(tail ?? 0, 0x41)]);
    const headerLength = length ?? (tail === undefined ? undefined : head.length);
    const refused = (): unknown => parseRequest(body, headerLength, most);
    if (what === 'is not an object')
      expect(refused).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    else expect(refused).toThrow(what);
    expect(refused).toThrow(
      expect.objectContaining({ code: expect.toBeOneOf(['invalid_request', 'payload_too_large']) }),
    );
  });

  test.each(['', 'NaN', '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[NaN]}]}', '[[[['])(
    'the text %j',
    (text) => {
      expect(() => parseRequest(Buffer.from(text), undefined, most)).toThrow('not JSON');
    },
  );

  test('arrays a million deep', () => {
    const data = '['.repeat(1e6) + ']'.repeat(1e6);
    const body = Buffer.from(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":${data}}]}`);
    expect(() => parseRequest(body, undefined, most)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });

  test('whatever bytes come, and whatever their header says of itself', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.option(fc.nat(300), { nil: undefined }), (body, length) => {
        expect(() => parseRequest(body, length, most)).toThrow(
          expect.objectContaining({ code: 'invalid_request' }),
        );
      }),
    );
  });

  test('whatever JSON comes', () => {
    const json = fc.record(
      {
        id: fc.jsonValue(),
        parameters: fc.jsonValue(),
        inputs: fc.oneof(
          fc.jsonValue(),
          fc.array(
            fc.record(
              {
                name: fc.jsonValue(),
                datatype: fc.oneof(fc.constantFrom(...numericDatatypes, 'BYTES'), fc.jsonValue()),
                shape: fc.oneof(fc.array(fc.integer()), fc.jsonValue()),
                parameters: fc.jsonValue(),
                data: fc.jsonValue(),
              },
              { requiredKeys: [] },
            ),
          ),
        ),
        outputs: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(json, (request) => {
        try {
          parseRequest(Buffer.from(JSON.stringify(request)), undefined, most);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.toBeOneOf(['invalid_request', 'payload_too_large']) });
        }
      }),
      { numRuns: 500 },
    );
  });
});

test.each([
  ['what JSON has no words for', Float32Array.of(Number.NaN), 'binary_data'],
  ['what is too long for JSON', new Float32Array(100).fill(0.1), 'LIMIT_INFERENCE_JSON_BYTES'],
])('%s is refused as JSON, and answered as binary data', (_, numbers, why) => {
  const data = new Uint8Array(numbers.buffer);
  const answer = (binary: boolean) => {
    const output = { name: 'y', datatype: 'FP32' as const, shape: [numbers.length], data, binary };
    const told = { model: { name: 'm', version: '1' }, id: undefined, parameters: {}, outputs: [output] };
    return encodeAnswer(told, 1000);
  };
  expect(() => answer(false)).toThrow(why);
  expect(answer(true).body.subarray(-data.length)).toEqual(Buffer.from(data));
});

describe('JSON that is long before it is parsed', () => {
  const long = (json: string, most: number) => () => requireShortJson(Buffer.from(json), most);
  const payload = expect.objectContaining({ code: 'payload_too_large' });

  test.each([
    ['numbers', '[1,2,3]', 15],
    ['lists', '[[],[]]', 31],
    ['texts', '["A","A"]', 15],
    ['quotes within texts', JSON.stringify(['\\"\\']), 13],
  ])('%s count for what they take, and not a byte more', (_, json, bytes) => {
    expect(long(json, bytes)).not.toThrow();
    expect(long(json, bytes - 1)).toThrow(payload);
  });

  test('what stands in texts counts for nothing, but for quotes', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = 12 + text.split('"').length - 1;
        expect(long(JSON.stringify([text]), bytes)).not.toThrow();
        expect(long(JSON.stringify([text, 1]), bytes)).toThrow(payload);
      }),
    );
    expect(long('["never ended', 10)).not.toThrow();
  });

  test('what is deep is refused however short it is', () => {
    expect(long('['.repeat(32), 1e6)).not.toThrow();
    expect(long('['.repeat(33), 1e6)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});

describe('compressed bodies', () => {
  const body = Buffer.from('tensors '.repeat(1000));

  test.each(['gzip', 'deflate', 'gzip;q=0, deflate', 'br, deflate;q=0.5', 'GZIP'])(
    'for a client that takes %s are such, and are read again',
    async (accept) => {
      const sent = await encodeBody(body, accept);
      expect(sent.encoding).toBe(/^gzip(?!;q=0)/i.test(accept) ? 'gzip' : 'deflate');
      expect(await decodeBody(sent.body, sent.encoding, { mostBytes: body.length, grow: () => {} })).toEqual(
        body,
      );
    },
  );

  test.each([undefined, '', 'br', 'gzip;q=0', 'identity'])('are none where %j is taken', async (accept) => {
    expect(await encodeBody(body, accept)).toEqual({ body });
  });

  test('are given up where they become too long', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(bomb.length).toBeLessThan(60_000);
    await expect(decodeBody(bomb, 'gzip', { mostBytes: most, grow: () => {} })).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    const room = new PictureMemory(most);
    room.open('bob').grow(most / 2);
    const { grow } = room.open('ada');
    await expect(decodeBody(bomb, 'gzip', { mostBytes: 100 * most, grow })).rejects.toMatchObject({
      code: 'overloaded',
    });
    expect(room.held).toBeLessThanOrEqual(most);
  });

  test.each([
    ['br', 'unsupported_content_type'],
    ['gzip, gzip', 'unsupported_content_type'],
    ['gzip', 'invalid_request'],
    ['deflate', 'invalid_request'],
  ])('that are not %s, or of an encoding that is not known, are refused', async (encoding, code) => {
    await expect(decodeBody(body, encoding, { mostBytes: most, grow: () => {} })).rejects.toMatchObject({
      code,
    });
  });
});
