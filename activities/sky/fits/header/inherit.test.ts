import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fileSource } from '../../bytes/file.ts';
import { memorySource } from '../../bytes/memory.ts';
import { cutTile } from '../../cut/cut.ts';
import { toIcrs } from '../../wcs/frames.ts';
import { parseWcs } from '../../wcs/parse.ts';
import { apart, headerOfText } from '../../wcs/testing.ts';
import type { Card, CardValue } from '../card.ts';
import { openFits, openImage } from '../read/open.ts';
import { samplesFolder } from '../testing.ts';
import { writeFits } from '../write/file.ts';
import { Header } from './header.ts';
import { withInherited } from './inherit.ts';

/** tools/oracle/sky_inherit.py. */
interface Recorded {
  readonly files: readonly string[];
  readonly primary: readonly string[];
  readonly extension: readonly string[];
  /** Of the extension's header alone, and with what it inherits. */
  readonly radesys: readonly [string, string];
  readonly points: readonly (readonly [x: number, y: number, ra: number, dec: number])[];
}

const recorded: readonly Recorded[] = JSON.parse(
  readFileSync(new URL('../../../../test/oracle/sky/inherit.json', import.meta.url), 'utf8'),
).values;

const header = (values: Readonly<Record<string, CardValue>>): Header => new Header(cards(values));
const cards = (values: Readonly<Record<string, CardValue>>): Card[] =>
  Object.entries(values).map(([keyword, value]) => ({ keyword, value, comment: '' }));

const inherits = { INHERIT: true };

function expectPlaces(of: Header, { points, radesys }: Recorded): void {
  const wcs = parseWcs(of);
  expect(wcs.frame).toBe(radesys[1].toLowerCase());
  for (const [x, y, ra, dec] of points)
    expect(apart(...toIcrs(wcs.frame, ...wcs.toSky(x, y)), ra, dec)).toBeLessThan(1e-9);
}

describe('images of real surveys lie where astropy has them, with the frame of their primary HDU', () => {
  it.each(recorded.map((record) => [record.files[0]!, record] as const))('%s', (_, record) => {
    const [primary, extension] = [record.primary, record.extension].map((lines) =>
      headerOfText(lines.join('\n')),
    );
    expectPlaces(withInherited(extension!, primary!), record);
  });

  it('of which some are FK5 by it alone', () => {
    expect(
      recorded.filter(({ radesys: [alone, joined] }) => alone === 'ICRS' && joined === 'FK5'),
    ).toHaveLength(3);
  });

  const samples = samplesFolder();
  const files = recorded.flatMap((record) => record.files.map((file) => [file, record] as const));
  it.skipIf(samples === undefined).each(files)('%s itself', async (file, record) => {
    await using source = await fileSource(fileURLToPath(new URL(file, samples)));
    expectPlaces((await openImage(source, 1)).header, record);
  });
});

describe('what an extension inherits', () => {
  const primary = header({
    SIMPLE: true,
    NAXIS: 0,
    RADESYS: 'FK5',
    EQUINOX: 2000,
    OBJECT: 'M 13',
    BUNIT: 'adu',
    MAGZERO: 25,
    BZERO: 7,
    CHECKSUM: 'x',
    EXTNAME: 'primary',
    COMMENT: undefined,
  });

  it.each([
    ['no INHERIT', {}, []],
    ['F', { INHERIT: false }, []],
    ['T', inherits, ['RADESYS', 'EQUINOX', 'OBJECT', 'BUNIT', 'MAGZERO']],
    ["'T'", { INHERIT: 'T ' }, ['RADESYS', 'EQUINOX', 'OBJECT', 'BUNIT', 'MAGZERO']],
    ['a value of its own', { ...inherits, MAGZERO: 26 }, ['RADESYS', 'EQUINOX', 'OBJECT', 'BUNIT']],
    ['the old name of one', { ...inherits, RADECSYS: 'ICRS' }, ['EQUINOX', 'OBJECT', 'BUNIT', 'MAGZERO']],
    ['the old name of another', { ...inherits, EPOCH: 2000 }, ['RADESYS', 'OBJECT', 'BUNIT', 'MAGZERO']],
  ])('%s', (_, own, wanted) => {
    const joined = withInherited(header({ XTENSION: 'IMAGE', ...own }), primary);
    expect(joined.cards.slice(1 + Object.keys(own).length).map(({ keyword }) => keyword)).toEqual(wanted);
    expect(joined.value('MAGZERO')).toBe('MAGZERO' in own ? 26 : wanted.length > 0 ? 25 : undefined);
  });

  it('is nothing about an array that the primary HDU has itself', () => {
    const withArray = primary.with('NAXIS', 2).append(...cards({ CTYPE1: 'RA---SIN', CD1_1: 1, PV2_1: 3 }));
    const joined = withInherited(header(inherits), withArray);
    expect([...joined.keywords()]).toEqual(['INHERIT', 'RADESYS', 'EQUINOX', 'OBJECT', 'MAGZERO']);
  });
});

describe('a file whose extension inherits', () => {
  const plane = { width: 8, height: 8, data: new Float32Array(64).fill(5) };
  const grid = { CTYPE1: 'RA---TAN', CTYPE2: 'DEC--TAN', CRVAL1: 10, CRVAL2: 20, CD1_1: -1e-4, CD2_2: 1e-4 };
  const told = { RADESYS: 'FK5', EQUINOX: 2000, MAGZERO: 25 };

  it.each([
    ['plain', {}],
    ['compressed', { compress: {} }],
  ])('%s: its cut says the same sky without the primary HDU', async (_, options) => {
    const bytes = writeFits(
      [
        { plane, cards: cards({ ...grid, ...inherits }), ...options },
        { plane, cards: cards(grid), ...options },
      ],
      {
        primary: cards(told),
      },
    );
    const file = await openFits(memorySource(bytes, 'a.fits'));
    const [image, other] = file.hdus.flatMap(({ kind, index }) =>
      kind === 'empty' ? [] : [file.image(index)],
    );
    expect(parseWcs(image!.header).frame).toBe('fk5');
    expect(parseWcs(other!.header).frame).toBe('icrs');
    const cut = await cutTile({
      planes: { image: image! },
      box: { x0: 2, y0: 2, width: 3, height: 3 },
      mode: 'primary',
    });
    const header = cut.image!.header;
    expect([header.value('INHERIT'), header.value('RADESYS'), header.value('MAGZERO')]).toEqual([
      undefined,
      'FK5',
      25,
    ]);
    expect(parseWcs(header).toSky(0, 0)).toEqual(parseWcs(image!.header).toSky(2, 2));
  });
});
