/** The frame of equatorial coordinates: RADESYS, EQUINOX and their forerunners. */
import { SkyError } from '../../errors.ts';
import type { CelestialFrame } from '../wcs.ts';
import type { WcsHeader } from './values.ts';

/**
 * RADESYS (RADECSYS before; of both the last, as wcslib has it), and where it is missing by the equinox: before 1984 FK4, after it FK5, none ICRS
 * (FITS Standard 4.0, section 8.3).
 * Other equinoxes than 2000 of FK5 and 1950 of FK4 are refused: none of today's surveys has them.
 */
export function celestialFrame(header: WcsHeader, galactic: boolean): CelestialFrame {
  if (galactic) return 'galactic';
  const equinox = equinoxOf(header);
  const system = systemOf(header) ?? (equinox === undefined ? 'ICRS' : equinox < 1984 ? 'FK4' : 'FK5');
  switch (system) {
    case 'ICRS':
      return 'icrs';
    case 'FK5':
      return held('FK5', 2000, equinox, 'fk5');
    case 'FK4':
      return held('FK4', 1950, equinox, 'fk4');
    default:
      throw new SkyError('unsupported_wcs', `RADESYS ${system} is not read: ICRS, FK5 and FK4 are.`);
  }
}

/**
 * DECam's pipeline writes RADESYS = FK5 for the telescope's own coordinates, and RADECSYS = ICRS behind it when it has fitted them to a catalogue: astropy
 * reads that as ICRS, and a cut that has both cards must be one place to all.
 */
function systemOf(header: WcsHeader): string | undefined {
  const now = header.word('RADESYS');
  const before = header.alternate === '' ? header.word('RADECSYS') : undefined;
  if (now === undefined || before === undefined) return now ?? before;
  for (const keyword of [...header.keywords()].reverse()) {
    if (keyword === 'RADECSYS') return before;
    if (keyword === 'RADESYS') break;
  }
  return now;
}

function held(
  system: string,
  usual: number,
  equinox: number | undefined,
  frame: CelestialFrame,
): CelestialFrame {
  if (equinox !== undefined && equinox !== usual) {
    throw new SkyError(
      'unsupported_wcs',
      `${system} of the equinox ${equinox} is not read: that of ${usual} is.`,
    );
  }
  return frame;
}

/** Years. EPOCH is what EQUINOX was called once; its 0 means that nobody knows. */
function equinoxOf(header: WcsHeader): number | undefined {
  const equinox = year(header, 'EQUINOX');
  if (equinox !== undefined || header.alternate !== '') return equinox;
  return header.value('PLTRAH') === undefined ? year(header, 'EPOCH') : undefined;
}

function year(header: WcsHeader, keyword: string): number | undefined {
  const value = header.value(keyword);
  // J2000.0, B1950 and '2000.0' are seen.
  const written = typeof value === 'string' ? /^\s*[JB]?(\d{4}(?:\.\d*)?)\s*$/i.exec(value)?.[1] : undefined;
  const number = written === undefined ? header.number(keyword) : Number(written);
  return number === 0 ? undefined : number;
}
