/**
 * Gives memory back at once that nobody will look at any more; the arrays are empty then. Left to the collector, what lies beside the
 * heap presses for a full collection every few pictures, lies around until then, and leaves holes. `parts` lie in one buffer, and
 * together are all of it; where they are not (a small buffer shares its memory with others), nothing happens. Nothing else, a write to
 * a socket included, may still be using it.
 */
export function releaseMemory(...parts: readonly ArrayBufferView[]): void {
  const buffer = parts[0]?.buffer;
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0);
}
