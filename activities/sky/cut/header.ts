/** The header of a cut: that of its source, with what the cut makes untrue put right or left out. */
import type { Card, CardValue } from '../fits/card.ts';
import { Header } from '../fits/header/header.ts';
import { realCard } from '../fits/write/cards.ts';
import type { PixelBox } from '../image/plane.ts';

/**
 * Cards about the file that the image came from, and about pixels that the cut may not have:
 * sections of the detector (`DATASEC`, `TRIMSEC`, …), extremes, how it was or is to be compressed, sums, its name among extensions.
 */
const untrue =
  /^(?:(?:DATA|TRIM|BIAS|CCD|DET|AMP|IMAGE|PRE|POST|OVER|NORM|STAT)SEC[A-Z0-9]*|DATAMIN|DATAMAX|Z?CHECKSUM|Z?DATASUM|ZHECKSUM|FZ[A-Z0-9]{3,6}|INHERIT|EXTNAME|EXTVER|EXTLEVEL|NAXIS[3-9])$/;

/** Keywords whose value counts pixels from the image's corner, by their axis and the letter of their coordinate system. */
const reference = /^CRPIX([12])([A-Z]?)$/;
/** IRAF's: from the pixels of the image to those that they were cut from. */
const logical = /^LTV([12])$/;
const coordinates = /^(?:CTYPE|CRVAL|CDELT|CUNIT|CROTA)[12]([A-Z]?)$|^(?:CD|PC)[12]_[12]([A-Z]?)$/;

/**
 * The header of pixels `box` of an image that has `source`. CRPIX is moved in every coordinate system that it has (one that is not there is 0,
 * as the standard says), LTV too; distortions, units and zero points stay to the letter. Left out: cards without a value, and what would be
 * untrue: DATASEC and its like, DATAMIN, DATAMAX, checksums, directives for compressors, the extension's name. `own` go to the end, instead of
 * cards of those keywords.
 */
export function cutHeader(
  source: Header,
  box: PixelBox,
  own: Readonly<Record<string, CardValue>> = {},
): Header {
  const start = [box.x0, box.y0];
  const size = [box.width, box.height];
  const systems = new Set<string>();
  const referred = new Set<string>();
  const cards: Card[] = [];
  for (const { card, system, moved, length } of trueCards(source)) {
    const { keyword, comment } = card;
    if (Object.hasOwn(own, keyword)) continue;
    if (system !== undefined) systems.add(system);
    if (moved !== undefined) {
      referred.add(keyword);
      cards.push(realCard(keyword, moved.value - start[moved.axis]!, comment));
    } else if (keyword === 'NAXIS') cards.push({ keyword, value: 2, comment });
    else if (length !== undefined) cards.push({ keyword, value: size[length]!, comment });
    else cards.push(card);
  }
  for (const letter of systems) {
    for (const axis of [1, 2]) {
      const keyword = `CRPIX${axis}${letter}`;
      if (!referred.has(keyword)) cards.push(realCard(keyword, -start[axis - 1]!, 'reference pixel'));
    }
  }
  for (const [keyword, value] of Object.entries(own)) {
    cards.push({ keyword, value, comment: comments[keyword] ?? '' });
  }
  return new Header(cards, source.where);
}

/** A card that is true of a part of the image, too, and what becomes of it there. */
interface TrueCard {
  readonly card: Card;
  /** Letter of the coordinate system that it tells of. */
  readonly system?: string | undefined;
  /** Axis, from 0, along which its value counts pixels. */
  readonly moved?: { readonly axis: number; readonly value: number } | undefined;
  /** Axis, from 0, whose length it is. */
  readonly length?: number | undefined;
}

const known = new WeakMap<Header, readonly TrueCard[]>();

/** Found once for all that is cut out of the image. */
function trueCards(source: Header): readonly TrueCard[] {
  let cards = known.get(source);
  if (cards === undefined) {
    cards = source.cards
      .filter((card) => !untrue.test(card.keyword) && !isEmpty(card))
      .map((card): TrueCard => {
        const { keyword, value } = card;
        const system = coordinates.exec(keyword);
        const [, axis] = reference.exec(keyword) ?? logical.exec(keyword) ?? [];
        const counts = axis !== undefined && (typeof value === 'number' || typeof value === 'bigint');
        return {
          card,
          system: system ? (system[1] ?? system[2] ?? '') : undefined,
          moved: counts ? { axis: Number(axis) - 1, value: Number(value) } : undefined,
          length: keyword === 'NAXIS1' ? 0 : keyword === 'NAXIS2' ? 1 : undefined,
        };
      });
    known.set(source, cards);
  }
  return cards;
}

const comments: Readonly<Record<string, string>> = {
  SURVEY: 'survey that this was cut from',
  RELEASE: 'of the survey',
  TILE: 'of the survey',
  REQUEST: 'what was asked for',
  VERSION: 'of the program that cut',
  CUTMODE: 'over edges: primary tile, clip or mosaic',
  COVERAGE: 'share of the pixels asked for that have a value',
};

/** A keyword that says nothing: the standard allows it, and readers stumble. */
function isEmpty({ keyword, value, raw }: Card): boolean {
  if (value !== undefined || keyword === '' || keyword === 'COMMENT' || keyword === 'HISTORY') return false;
  // A card without `= ` is commentary whatever its keyword.
  return raw === undefined || raw.slice(8, 10) === '= ' || raw.startsWith('HIERARCH');
}
