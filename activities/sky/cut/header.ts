/** The header of a cut: that of its source, with what the cut makes untrue put right or left out. */
import type { Card, CardValue } from '../fits/card.ts';
import type { Header } from '../fits/header/header.ts';
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
  for (const card of source.cards) {
    const { keyword, value } = card;
    if (untrue.test(keyword) || Object.hasOwn(own, keyword) || isEmpty(card)) continue;
    const system = coordinates.exec(keyword);
    if (system) systems.add(system[1] ?? system[2] ?? '');
    const moved = reference.exec(keyword) ?? logical.exec(keyword);
    if (moved && (typeof value === 'number' || typeof value === 'bigint')) {
      referred.add(keyword);
      cards.push(realCard(keyword, Number(value) - start[Number(moved[1]) - 1]!, card.comment));
    } else if (keyword === 'NAXIS') cards.push({ keyword, value: 2, comment: card.comment });
    else if (keyword === 'NAXIS1' || keyword === 'NAXIS2') {
      cards.push({ keyword, value: size[Number(keyword[5]) - 1]!, comment: card.comment });
    } else cards.push(card);
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
  return source.filter(() => false).append(...cards);
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
