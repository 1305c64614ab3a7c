/** What the JSON of a request may cost, told before it is parsed: an event loop parses nothing beside it. */
import { ProblemError } from '@darkroom/contract';

/** An array or object takes memory, however little it holds. */
const bytesOfOne = 8;
/** A tensor has 16 axes at most. */
const deepest = 32;

const [quote, backslash, list, endOfList, object, endOfObject] = Buffer.from('"\\[]{}');

/**
 * What stands in texts is passed over: pictures are base64. Throws ProblemError `payload_too_large` for more than `mostBytes` of anything else,
 * `invalid_request` for what lies too deep.
 */
export function requireShortJson(json: Buffer, mostBytes: number): void {
  let bytes = 0;
  let depth = 0;
  let inText = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    bytes++;
    if (byte === quote) inText = !inText || isEscaped(json, at);
    else if (byte === list || byte === object) {
      bytes += bytesOfOne;
      depth++;
    } else if (byte === endOfList || byte === endOfObject) depth--;
    if (depth > deepest)
      throw new ProblemError('invalid_request', `The JSON has more than ${deepest} levels.`);
    if (bytes > mostBytes)
      throw new ProblemError(
        'payload_too_large',
        `The JSON has more than ${mostBytes} bytes beside texts (LIMIT_INFERENCE_JSON_BYTES). Send tensors as binary data (binary_data_size).`,
      );
    if (!inText) continue;
    const next = json.indexOf(quote!, at + 1);
    if (next === -1) return;
    at = next - 1;
  }
}

function isEscaped(json: Buffer, at: number): boolean {
  let first = at;
  while (json[first - 1] === backslash) first--;
  return (at - first) % 2 === 1;
}
