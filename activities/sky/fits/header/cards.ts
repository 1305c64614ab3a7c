/** From the 80-character records of a header to its cards. */
import type { Card } from '../card.ts';
import { readString, readValue } from './value.ts';

export const CARD_BYTES = 80;
export const BLOCK_BYTES = 2880;

/** Where in `bytes` the END card begins, from `from` on (a multiple of 80); -1 when it is not among the whole cards there are. */
export function findEnd(bytes: Uint8Array, from = 0): number {
  for (let at = from; at + CARD_BYTES <= bytes.length; at += CARD_BYTES) {
    if (bytes[at] === 0x45 && bytes[at + 1] === 0x4e && bytes[at + 2] === 0x44 && isBlank(bytes, at + 3, 5)) {
      return at;
    }
  }
  return -1;
}

function isBlank(bytes: Uint8Array, start: number, length: number): boolean {
  for (let i = start; i < start + length; i++) if (bytes[i] !== 0x20) return false;
  return true;
}

function readCard(record: string): Card {
  const name = record.slice(0, 8).trimEnd();
  if (record[8] === '=' && record[9] === ' ' && name !== '' && name !== 'COMMENT' && name !== 'HISTORY') {
    return { keyword: name.toUpperCase(), ...readValue(record.slice(10)), raw: record };
  }
  if (name === 'HIERARCH') {
    const equals = record.indexOf('=', 9);
    const words = record.slice(9, equals).trim().split(/ +/).join(' ');
    if (equals > 0 && words !== '') {
      return { keyword: words.toUpperCase(), ...readValue(record.slice(equals + 1)), raw: record };
    }
  }
  return { keyword: name.toUpperCase(), value: undefined, comment: record.slice(8).trimEnd(), raw: record };
}

/** The string and comment of a CONTINUE record; undefined for one that is not of that form. */
function readContinuation(record: string): { value: string; comment: string } | undefined {
  if (!record.startsWith('CONTINUE  ')) return undefined;
  const start = record.search(/'/);
  if (start < 0 || record.slice(8, start).trim() !== '') return undefined;
  const string = readString(record, start);
  if (string === undefined) return undefined;
  const slash = string.rest.indexOf('/');
  return { value: string.value, comment: slash < 0 ? '' : string.rest.slice(slash + 1).trim() };
}

/** The cards in `bytes` (whole records, END not among them). Strings that go on in CONTINUE records are one card. */
export function readCards(bytes: Uint8Array): Card[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const cards: Card[] = [];
  for (let at = 0; at + CARD_BYTES <= text.length; at += CARD_BYTES) {
    const first = readCard(text.slice(at, at + CARD_BYTES));
    if (typeof first.value !== 'string' || !first.value.endsWith('&')) {
      cards.push(first);
      continue;
    }
    const begin = at;
    const values = [first.value];
    const comments = [first.comment];
    while (values.at(-1)?.endsWith('&')) {
      const next = text.slice(at + CARD_BYTES, at + 2 * CARD_BYTES);
      const more = next.length === CARD_BYTES ? readContinuation(next) : undefined;
      if (more === undefined) break;
      values.push(more.value);
      comments.push(more.comment);
      at += CARD_BYTES;
    }
    // A last `&` that nothing follows is part of the string.
    const value = values.map((part, i) => (i < values.length - 1 ? part.slice(0, -1) : part)).join('');
    const comment = comments.filter((part) => part !== '').join(' ');
    cards.push({ keyword: first.keyword, value, comment, raw: text.slice(begin, at + CARD_BYTES) });
  }
  return cards;
}
