import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type BatchItem, packBatch, unpackBatch } from './batch.ts';

const model = { name: 'lite0', version: '1', digest: 'd' };
const item = (id: number, bytes: number): BatchItem => ({
  id,
  acceptedAt: '2026-01-02T03:04:05.678Z',
  owner: 'ada',
  filename: 'Straße 𝄞.jpg',
  bytes,
  topK: 5,
  gatherMs: 3,
  leftMs: 1,
  traceId: null,
  alias: null,
  canary: false,
});
const packed = (bodies: readonly Uint8Array[]): Buffer =>
  Buffer.concat(
    packBatch({
      header: { batch: 'b', sentAt: 1, model, items: bodies.map((body, i) => item(i + 1, body.length)) },
      bodies,
    }),
  );

it('comes out as it was packed, whatever the bodies are', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 32 }), (bodies) => {
      const { header, bodies: found } = unpackBatch(packed(bodies));
      expect(header.items.map(({ id }) => id)).toEqual(bodies.map((_, i) => i + 1));
      expect(found.map((body) => [...body])).toEqual(bodies.map((body) => [...body]));
    }),
  );
});

it('refuses what was cut off, what is longer than it says, and what is something else', () => {
  const whole = packed([Buffer.from('abc'), Buffer.from('de')]);
  for (let length = 0; length < whole.length; length++)
    expect(() => unpackBatch(whole.subarray(0, length)), `${length} bytes`).toThrow();
  expect(() => unpackBatch(Buffer.concat([whole, Buffer.from('x')]))).toThrow(RangeError);
  expect(() => unpackBatch(Buffer.from('\x89PNG\r\n\x1a\nand so on'))).toThrow('no packed micro-batch');
});
