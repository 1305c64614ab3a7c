/** Header cards as text (FITS Standard 4.0, section 4.2): 80 characters each, values in the fixed format. */
import { SkyError } from '../../errors.ts';
import type { Card, CardValue } from '../card.ts';

/** Characters of a card. */
export const cardLength = 80;

/** Longest text of a COMMENT or HISTORY card, and of what follows a keyword. */
const textLength = 72;
/** Characters between the quotes of one card. */
const quotedLength = 68;
const commentary = new Set(['COMMENT', 'HISTORY', '']);
const plainKeyword = /^[A-Z0-9_-]{1,8}$/;

/**
 * A card whose value is written as a floating-point number also where it is whole (`1.0`), as readers expect of coordinates. Throws SkyError
 * `invalid_fits` for what a header cannot hold: NaN and infinities.
 */
export function realCard(keyword: string, value: number, comment = ''): Card {
  return { keyword, value, comment, raw: valueCard(keyword, realText(value), comment) };
}

/**
 * The 80 characters of a card, or several times as many: strings too long for one go on in CONTINUE cards, commentary in cards of its own
 * keyword. A comment that finds no room is cut. What is not printable ASCII, which is all that a header may hold, becomes `?`. Throws SkyError
 * `invalid_fits` for NaN, infinities, and keywords that do not fit.
 */
export function formatCard(card: Card): string {
  if (card.raw !== undefined) return copied(card.raw);
  const { keyword, value } = card;
  const comment = printable(card.comment);
  if (commentary.has(keyword)) return commentaryCards(keyword, comment);
  if (typeof value === 'string') return stringCards(keyword, printable(value), comment);
  return valueCard(keyword, valueText(value), comment);
}

const keywordField = /^[A-Za-z0-9_-]{0,8} *$/;
const lawfulValue =
  /^ *(?:(?:'(?:[^']|'')*'|[TF]|[+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?|\([^()]*\)|) *(?:\/.*)?)$/;

/**
 * A card as it was read; its keyword in upper case. One that the standard does not know (a dot or a blank in a keyword, a string without an end, a
 * CONTINUE that continues nothing) is what it says as a COMMENT: others refuse a whole HDU for it, CFITSIO when it unpacks, astropy when it opens.
 */
function copied(raw: string): string {
  const keyword = raw.slice(0, 8);
  const isValue = raw.slice(8, 10) === '= ' && !commentary.has(keyword.trimEnd());
  const isLawful =
    keywordField.test(keyword) &&
    !/^(?:CONTINUE|END) *$/i.test(keyword) &&
    (!isValue || lawfulValue.test(raw.slice(10, cardLength)));
  return isLawful ? keyword.toUpperCase() + raw.slice(8) : commentaryCards('COMMENT', printable(raw.trim()));
}

function valueText(value: Exclude<CardValue, string>): string {
  if (value === undefined) return '';
  if (typeof value === 'boolean') return value ? 'T' : 'F';
  if (typeof value === 'bigint') return value.toString();
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? value.toString() : realText(value);
}

/** The shortest decimal that reads back as the same number: JavaScript's, with a point and an E that the standard asks for. */
function realText(value: number): string {
  if (!Number.isFinite(value)) throw new SkyError('invalid_fits', `a header cannot hold the number ${value}`);
  const text = Object.is(value, -0) ? '-0' : value.toString();
  const e = text.indexOf('e');
  const mantissa = e < 0 ? text : text.slice(0, e);
  const exponent = e < 0 ? '' : `E${text.slice(e + 1)}`;
  return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}${exponent}`;
}

function valueCard(keyword: string, text: string, comment: string): string {
  const plain = plainKeyword.test(keyword);
  // Right-justified in columns 11 to 30, where it fits.
  const head = plain ? `${keyword.padEnd(8)}= ${text.padStart(20)}` : `${hierarch(keyword)}${text}`;
  if (head.length > cardLength) throw new SkyError('invalid_fits', `${keyword} does not fit on a card`);
  return withComment(head, comment);
}

function hierarch(keyword: string): string {
  const words = keyword.toUpperCase();
  if (!/^[!-<>-~]+( [!-<>-~]+)*$/.test(words)) {
    throw new SkyError('invalid_fits', `${JSON.stringify(keyword)} cannot be a keyword`);
  }
  return `HIERARCH ${words} = `;
}

function withComment(head: string, comment: string): string {
  return (comment === '' ? head : `${head} / ${comment}`).slice(0, cardLength).padEnd(cardLength);
}

function stringCards(keyword: string, value: string, comment: string): string {
  const plain = plainKeyword.test(keyword);
  const start = plain ? `${keyword.padEnd(8)}= ` : hierarch(keyword);
  const first = quotedLength - (start.length - 10);
  const quoted = value.replaceAll("'", "''");
  if (quoted.length <= first) {
    // Closed no earlier than column 20, as fixed-format strings are; comments begin in a column of their own.
    const text = `${start}'${plain ? quoted.padEnd(8) : quoted}'`;
    return withComment(comment === '' || !plain ? text : text.padEnd(30), comment);
  }
  if (first < 2) throw new SkyError('invalid_fits', `${keyword} does not fit on a card`);
  let cards = '';
  let rest = quoted;
  let head = start;
  let room = first;
  while (rest.length > room) {
    const cut = quoteBoundary(rest, room - 1);
    cards += `${head}'${rest.slice(0, cut)}&'`.padEnd(cardLength);
    rest = rest.slice(cut);
    head = 'CONTINUE  ';
    room = quotedLength;
  }
  return cards + withComment(`${head}'${rest}'`, comment);
}

/** Where at or before `at` the text can be cut without parting a doubled quote. */
function quoteBoundary(text: string, at: number): number {
  let quotes = 0;
  while (quotes < at && text[at - 1 - quotes] === "'") quotes++;
  return quotes % 2 === 1 ? at - 1 : at;
}

function commentaryCards(keyword: string, text: string): string {
  let cards = '';
  let rest = text;
  do {
    const line = rest.length <= textLength ? rest : rest.slice(0, wordBoundary(rest));
    cards += `${keyword.padEnd(8)}${line}`.padEnd(cardLength);
    rest = rest.slice(line.length).trimStart();
  } while (rest !== '');
  return cards;
}

function wordBoundary(text: string): number {
  const blank = text.lastIndexOf(' ', textLength);
  return blank > 0 && text.slice(0, blank).trim() !== '' ? blank : textLength;
}

function printable(text: string): string {
  return text.replaceAll(/[^ -~]/gu, '?');
}
