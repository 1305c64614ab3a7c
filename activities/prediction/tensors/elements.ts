/**
 * Elements of BYTES tensors, one after the other: four bytes length, unsigned, little endian, then so many bytes.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
 */
import { tensorProblem } from './tensor.ts';

const prefixBytes = 4;

/** The elements, as views into `data`. Throws ProblemError `invalid_request` for another number of them than `count`, or one that is cut off. */
export function readElements(name: string, data: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  for (let at = 0; at < data.length; ) {
    if (elements.length === count)
      throw tensorProblem(name, `has more than the ${count} elements of its shape`);
    const begin = at + prefixBytes;
    const end = begin > data.length ? begin : begin + view.getUint32(at, true);
    if (end > data.length)
      throw tensorProblem(
        name,
        `ends within its element ${elements.length}, of which it says ${end - at} bytes`,
      );
    elements.push(data.subarray(begin, end));
    at = end;
  }
  if (elements.length !== count)
    throw tensorProblem(name, `has ${elements.length} elements, and its shape takes ${count}`);
  return elements;
}

/** What {@link readElements} reads. */
export function writeElements(elements: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    elements.flatMap((element) => {
      const prefix = Buffer.alloc(prefixBytes);
      prefix.writeUInt32LE(element.length);
      return [prefix, element];
    }),
  );
}
