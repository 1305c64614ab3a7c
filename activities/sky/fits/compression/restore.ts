import type { Card } from '../card.ts';
import { Header } from '../header/header.ts';
import type { Layout } from './layout.ts';

/** Of the table, and of how it is packed: none of them belongs to the image. */
const GONE =
  /^(?:SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|TTYPE\d+|TFORM\d+|THEAP|CHECKSUM|DATASUM|ZIMAGE|ZQUANTIZ|ZDITHER0|ZTILE\d+|ZCMPTYPE|ZBLANK|ZNAME\d+|ZVAL\d+|ZSCALE|ZZERO|ZSIMPLE|ZTENSION|ZBITPIX|ZNAXIS\d*|ZPCOUNT|ZGCOUNT|ZEXTEND|ZBLOCKED)$/;

const RESTORED = new Map([
  ['ZHECKSUM', 'CHECKSUM'],
  ['ZDATASUM', 'DATASUM'],
]);

const SMALLEST = new Map([
  [16, -32768],
  [32, -2147483648],
]);

/** BLANK of an integer image that has only ZBLANK: its own, or the smallest integer where every tile has another one. */
export function blankOf(header: Header, layout: Layout): number | undefined {
  const { bitpix, blank } = layout;
  if (bitpix < 0 || blank === undefined || header.has('BLANK')) return undefined;
  return typeof blank === 'number' ? blank : (SMALLEST.get(bitpix) ?? 255);
}

/** The image's header as funpack restores it, with BLANK where only ZBLANK says it. The mandatory cards come first, all others in their order. */
export function restoreHeader(header: Header, layout: Layout): Header {
  const cards: Card[] = [];
  const card = (keyword: string, value: Card['value'], comment: string): void => {
    cards.push({ keyword, value, comment });
  };
  const from = (keyword: string, source: string, otherwise: string): void => {
    const old = header.card(source);
    if (old !== undefined) card(keyword, old.value, old.comment || otherwise);
  };
  if (header.has('ZSIMPLE')) from('SIMPLE', 'ZSIMPLE', 'file does conform to FITS standard');
  else card('XTENSION', 'IMAGE', 'IMAGE extension');
  from('BITPIX', 'ZBITPIX', 'number of bits per data pixel');
  from('NAXIS', 'ZNAXIS', 'number of data axes');
  for (let i = 1; header.has(`ZNAXIS${i}`); i++) from(`NAXIS${i}`, `ZNAXIS${i}`, `length of data axis ${i}`);
  from('EXTEND', 'ZEXTEND', '');
  from('BLOCKED', 'ZBLOCKED', '');
  if (!header.has('ZSIMPLE')) {
    card('PCOUNT', 0, 'required keyword; must = 0');
    card('GCOUNT', 1, 'required keyword; must = 1');
  }
  const isDefaultName = header.value('EXTNAME') === 'COMPRESSED_IMAGE';
  for (const old of header.cards) {
    const renamed = RESTORED.get(old.keyword);
    if (renamed !== undefined) cards.push({ keyword: renamed, value: old.value, comment: old.comment });
    else if (!GONE.test(old.keyword) && !(isDefaultName && old.keyword === 'EXTNAME')) cards.push(old);
  }
  const blank = blankOf(header, layout);
  if (blank !== undefined) card('BLANK', blank, 'value of pixels that have none');
  return new Header(cards, header.where);
}
