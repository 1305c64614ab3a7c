/** Which bytes a request asks for, RFC 9110 section 14. */

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
