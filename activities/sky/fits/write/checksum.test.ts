import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ChecksumSum, checksumOf, encodeChecksum } from './checksum.ts';
import { writeFits } from './file.ts';

it('encodes the standard’s example: appendix J', () => {
  expect(encodeChecksum(868229149)).toBe('hcHjjc9ghcEghc9g');
});

it('sums words of four bytes with the carry put back', () => {
  expect(checksumOf(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2))).toBe(2);
  expect(checksumOf(Uint8Array.of(1, 2, 3, 4, 5))).toBe(0x06020304);
  expect(checksumOf(new Uint8Array(8).fill(255))).toBe(0xffffffff);
});

it('does not mind in what pieces bytes come', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 13 })), (pieces) => {
      const sum = new ChecksumSum();
      for (const piece of pieces) sum.add(piece);
      const all = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
      let plain = 0n;
      for (let i = 0; i < all.length; i++) plain += BigInt(all[i]!) << BigInt(24 - 8 * (i % 4));
      while (plain > 0xffffffffn) plain = (plain & 0xffffffffn) + (plain >> 32n);
      expect(sum.sum).toBe(Number(plain));
    }),
  );
});

it('makes every HDU sum to −0', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 30 }), fc.boolean(), (pixels, compress) => {
      const plane = { width: pixels.length, height: 1, data: Int32Array.from(pixels) };
      const file = writeFits([{ plane, cards: [], ...(compress && { compress: {} }) }]);
      expect(file.length % 2880).toBe(0);
      expect(checksumOf(file)).toBe(0xffffffff);
    }),
  );
});
