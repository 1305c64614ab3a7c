/** Which bytes a request asks for, RFC 9110 section 14, and whether it has them (13). */

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * The one range of `bytes=first-last`, `bytes=first-` or `bytes=-suffix` within `size` bytes; undefined for the whole: nothing, several
 * ranges or another unit is asked for, or `ifRange` is not `etag` (then the client has parts of other bytes). 'unsatisfiable' when it
 * lies behind the end.
 */
export function rangeOf(
  header: string | undefined,
  ifRange: string | undefined,
  { size, etag }: { readonly size: number; readonly etag: string },
): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec((header ?? '').replaceAll(/\s/g, '')) ?? [];
  if ((first === '' && last === '') || (ifRange !== undefined && ifRange !== etag)) return undefined;
  if (first === '') {
    const suffix = Math.min(Number(last), size);
    return suffix === 0 ? 'unsatisfiable' : { start: size - suffix, end: size };
  }
  const start = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end };
}

/** Whether `If-None-Match` names the file of this ETag, which the client then has: RFC 9110, 13.1.2, by weak comparison. */
export const isKnown = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch?.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag) ??
  false;
