/** The headers of the parts of a multipart body, made such that the parser takes them: it drops a part for a line break in its file name. */
import { ProblemError } from '@darkroom/contract';

const LINE = '\r\n';
const HEADERS_END = Buffer.from('\r\n\r\n');

/** A line break that ends a header, continues it (RFC 5322, folding) or ends the block; any other is part of a value. */
const LINE_BREAK = /(\r\n(?=[\t ]|[!#$%&'*+.^_`|~\w-]+[\t ]*:|\r\n|$))|[\r\n]/g;
const ENCODED_NAME = /filename\*\s*=[^;\r\n]*/gi;
/** The parser takes the name right before the colon, and one blank at most after it. */
const DISPOSITION = /^content-disposition[\t ]*:(?:[\t ]|\r\n(?=[\t ]))*/gim;
const FORM_DATA = /^content-disposition: form-data(?:[\t ]|\r\n(?=[\t ]))*;/im;

/**
 * The same body, but for line breaks within the values of part headers, plain or percent-encoded in `filename*`: these are left out, as
 * other control characters are from file names later. Headers longer than `headerBytes` pass as they are. Holds no more of the body than the chunk
 * at hand, a delimiter and the headers of one part. Throws ProblemError `invalid_request` for a part that says not what it is.
 */
export async function* cleanPartHeaders(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  headerBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const delimiter = Buffer.from(`${LINE}--${boundaryOf(contentType)}${LINE}`);
  let parts = 0;
  let within: 'content' | 'headers' = 'content';
  // The first delimiter may be the very beginning: the line break before it is added, and taken away again.
  let held: Buffer = Buffer.from(LINE);
  let ahead = LINE.length;
  const out = (bytes: Buffer): Buffer => {
    const skipped = Math.min(ahead, bytes.length);
    ahead -= skipped;
    return bytes.subarray(skipped);
  };
  for await (const chunk of body) {
    let rest = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk]);
    held = Buffer.alloc(0);
    while (rest.length > 0) {
      if (within === 'content') {
        const at = rest.indexOf(delimiter);
        const end = at === -1 ? rest.length - undecided(rest, delimiter) : at + delimiter.length;
        if (end > 0) yield out(rest.subarray(0, end));
        rest = rest.subarray(end);
        if (at === -1) {
          held = rest;
          break;
        }
        within = 'headers';
      } else {
        const at = rest.indexOf(HEADERS_END);
        if (at === -1 && rest.length <= headerBytes) {
          held = rest;
          break;
        }
        within = 'content';
        // Too long, or no headers at all: the parser's to judge.
        if (at === -1 || at > headerBytes || rest.indexOf(LINE) === 0) continue;
        parts++;
        yield cleaned(rest.subarray(0, at + HEADERS_END.length), parts);
        rest = rest.subarray(at + HEADERS_END.length);
      }
    }
  }
  if (held.length > 0) yield out(held);
}

function cleaned(headers: Buffer, part: number): Buffer {
  const text = headers.toString('latin1');
  const plain = text
    .replaceAll(LINE_BREAK, '$1')
    .replaceAll(DISPOSITION, 'Content-Disposition: ')
    .replaceAll(ENCODED_NAME, (name) => name.replaceAll(/%0[ad]/gi, ''));
  if (!FORM_DATA.test(plain))
    throw new ProblemError(
      'invalid_request',
      `Part ${part} of the form has no header Content-Disposition: form-data; name="…".`,
    );
  return plain === text ? headers : Buffer.from(plain, 'latin1');
}

/** How many bytes at the end may be the beginning of the delimiter. */
function undecided(bytes: Buffer, delimiter: Buffer): number {
  for (let at = bytes.indexOf(LINE[0] ?? '', Math.max(0, bytes.length - delimiter.length + 1)); at !== -1; ) {
    if (bytes.subarray(at).equals(delimiter.subarray(0, bytes.length - at))) return bytes.length - at;
    at = bytes.indexOf(LINE[0] ?? '', at + 1);
  }
  return 0;
}

/** As RFC 2046 has it; empty where there is none, which the parser refuses. */
function boundaryOf(contentType: string): string {
  const [, quoted, bare] = /;\s*boundary\s*=\s*(?:"([^"]*)"|([^;\s]+))/i.exec(contentType) ?? [];
  return quoted ?? bare ?? '';
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
