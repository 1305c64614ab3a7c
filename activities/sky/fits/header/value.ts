/** The value and comment of one card, from its text behind the `=`. */
import type { CardValue } from '../card.ts';

export interface ValueAndComment {
  readonly value: CardValue;
  readonly comment: string;
}

const INTEGER = /^[+-]?\d+$/;
const REAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?$/;

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\0')) end--;
  return text.slice(0, end);
}

/** Behind the value: ` / comment`. */
function commentOf(rest: string): string {
  const slash = rest.indexOf('/');
  return slash < 0 ? '' : rest.slice(slash + 1).trim();
}

/** A string that begins at `start` with a quote; undefined when it does not end. Blanks at its end mean nothing, doubled quotes are one. */
export function readString(text: string, start: number): { value: string; rest: string } | undefined {
  let value = '';
  for (let at = start + 1; ; ) {
    const quote = text.indexOf("'", at);
    if (quote < 0) return undefined;
    value += text.slice(at, quote);
    if (text[quote + 1] !== "'") return { value: trimEnd(value), rest: text.slice(quote + 1) };
    value += "'";
    at = quote + 2;
  }
}

/** Text that is none of the standard's values is given as it is: one card that nobody asks for does not spoil a file. */
export function readValue(text: string): ValueAndComment {
  const start = text.search(/[^ ]/);
  if (start < 0) return { value: undefined, comment: '' };
  if (text[start] === "'") {
    const string = readString(text, start);
    return string === undefined
      ? { value: trimEnd(text.slice(start)), comment: '' }
      : { value: string.value, comment: commentOf(string.rest) };
  }
  const slash = text.indexOf('/', start);
  const word = (slash < 0 ? text.slice(start) : text.slice(start, slash)).trim();
  const comment = slash < 0 ? '' : text.slice(slash + 1).trim();
  return { value: wordValue(word), comment };
}

function wordValue(word: string): CardValue {
  if (word === '') return undefined;
  if (word === 'T') return true;
  if (word === 'F') return false;
  if (INTEGER.test(word)) {
    const number = Number(word);
    // -0 has no meaning as an integer.
    return Number.isSafeInteger(number) ? number + 0 || 0 : BigInt(word.replace(/^\+/, ''));
  }
  if (REAL.test(word)) return Number(word.replace(/[Dd]/, 'e'));
  return word;
}
