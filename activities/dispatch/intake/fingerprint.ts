/** The fingerprint of a request, by which a repeated Idempotency-Key is told from a reused one. */
import { createHash } from 'node:crypto';

/** SHA-256 (hex) of the value's JSON with the keys of every object sorted (after RFC 8785, for plain values). */
export function fingerprintOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
