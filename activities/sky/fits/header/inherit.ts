/** What the header of an extension has from the primary one. */
import type { Card } from '../card.ts';
import type { Header } from './header.ts';

/** Mandatory cards and commentary are never inherited; nor is what is of one HDU alone: sums, names, how its values are stored. */
const own =
  /^(?:SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|NEXTEND|BLOCKED|GROUPS|[PG]COUNT|[PT](?:TYPE|SCAL|ZERO)\d+|TFIELDS|TFORM\d+|THEAP|COMMENT|HISTORY|CONTINUE|INHERIT|EXTNAME|EXTVER|EXTLEVEL|HDUNAME|CHECKSUM|DATASUM|BSCALE|BZERO|BLANK|DATAMIN|DATAMAX|)$/;

/** Of an array and its grid: where the primary HDU has one itself, these are of that one. */
const ofArray =
  /^(?:BUNIT|WCSAXES[A-Z]?|WCSNAME[A-Z]?|(?:CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)\d+[A-Z]?|(?:CD|PC)\d+_\d+[A-Z]?|PC\d{6}|P[VS]\d+_\d+[A-Z]?|[AB]P?_(?:\d_\d|ORDER|DMAX)|LONPOLE[A-Z]?|LATPOLE[A-Z]?|LTV\d|LTM\d_\d)$/;

/** Two names of one thing: of an extension that has either, neither is inherited. */
const namesakes = [
  ['RADESYS', 'RADECSYS'],
  ['EQUINOX', 'EPOCH'],
] as const;

/**
 * The header of an extension with what it inherits of the primary one, at its end: where it says INHERIT = T (FITS Standard 4.0, section
 * 4.4.2.6 and appendix K), every keyword that it has not itself, but for mandatory ones, commentary, and what is of one HDU alone; of a primary
 * HDU with an array of its own also without what describes that. Without INHERIT nothing is, as the standard leaves it to the reader, and astropy,
 * CFITSIO and DS9 take nothing either: an extension without RADESYS and EQUINOX is ICRS then, whatever the primary header says.
 */
export function withInherited(extension: Header, primary: Header): Header {
  const said = extension.value('INHERIT');
  // Real files have it as the string 'T' too.
  if (said !== true && !(typeof said === 'string' && said.trim() === 'T')) return extension;
  const axes = primary.value('NAXIS');
  const hasArray = typeof axes === 'number' && axes > 0;
  const gone = new Set<string>(
    namesakes.flatMap((names) => (names.some((name) => extension.has(name)) ? names : [])),
  );
  const isInherited = ({ keyword }: Card): boolean =>
    !own.test(keyword) &&
    !extension.has(keyword) &&
    !gone.has(keyword) &&
    !(hasArray && ofArray.test(keyword));
  const cards = primary.cards.filter(isInherited);
  return cards.length === 0 ? extension : extension.append(...cards);
}
