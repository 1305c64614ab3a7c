import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { mayRead } from './access.ts';
import { degreesOf } from './definition.ts';
import { digestOf, parseSurvey, readSurvey, surveyFiles } from './read.ts';
import { pathTemplate, templateProblem } from './template.ts';

const docs = fileURLToPath(new URL('../../../../docs/surveys', import.meta.url));

const small = {
  name: 'small',
  title: 'A small survey',
  release: '1',
  root: 's3://bucket/small/',
  tile: { pattern: 't\\d+', example: 't12' },
  wcs: 'TAN',
  bands: [
    { name: 'g', wavelength: 480 },
    { name: 'r', wavelength: 640 },
  ],
  planes: { image: { path: '{tile}-{band}.fits' } },
  readers: 'public',
  defaults: {},
  limits: { size: '10arcmin', pixels: 1_000_000 },
  credit: 'Nobody',
  example: { ra: 10, dec: -20 },
};
const parsed = (changes: object) => parseSurvey(stringify({ ...small, ...changes }), 'small.yaml');
const problemsOf = (changes: object): string[] => {
  try {
    parsed(changes);
    return [];
  } catch (error) {
    return (error as Error).message.split('\n');
  }
};

describe('a survey', () => {
  it.each(['des-dr2', 'legacy-dr10'])('of the docs can be read: %s', async (name) => {
    const survey = await readSurvey(join(docs, `${name}.yaml`));
    expect(survey.name).toBe(name);
    expect(survey.bands.length).toBeGreaterThan(3);
    expect(await surveyFiles(docs)).toContain(join(docs, `${name}.yaml`));
  });

  it('has defaults, and a digest of what it says', () => {
    const survey = parsed({});
    expect(survey.defaults).toEqual({ size: '1arcmin', algorithm: 'lupton' });
    expect(digestOf(parseSurvey(`# a word\n${stringify(small)}`, 'x'))).toBe(digestOf(survey));
    expect(digestOf(parsed({ title: 'Another' }))).not.toBe(digestOf(survey));
  });

  it('tells all that is wrong at once, each by its key and with what to do', () => {
    const lines = problemsOf({
      name: 'Small One',
      title: undefined,
      colour: 'blue',
      wcs: 'CAR',
      tile: { pattern: 't(\\d+', example: 't12' },
      bands: [{ name: 'g', wavelength: -1, filter: 'x' }],
      planes: { image: { path: '{title}.fits' }, mask: { path: '{tile}.fits' } },
      readers: [],
      example: { ra: 361, dec: 0 },
    });
    expect(lines).toEqual([
      'small.yaml is no survey yet:',
      expect.stringContaining('name: has up to 64 lower-case letters'),
      '  title: give a text',
      '  wcs: give TAN, TAN-SIP, TPV or SIN',
      expect.stringContaining('bands[0].wavelength: give nanometres above 0'),
      expect.stringContaining('bands[0].filter: is not known'),
      expect.stringContaining('planes.image.path: has { or } that is not {tile}'),
      '  readers: name one group at least',
      '  example.ra: lies from 0 to 360',
      expect.stringContaining('colour: is not known'),
      'See docs/surveys.md.',
    ]);
  });

  it.each([
    [{ bands: [...small.bands, { name: 'g', wavelength: 1 }] }, 'bands[2].name: is g a second time'],
    [{ tile: { pattern: 'a)(b', example: 'ab' } }, 'tile.pattern: is no regular expression'],
    [{ tile: { pattern: 't\\d', example: 't12' } }, 'tile.example: does not match'],
    [{ tile: { pattern: '(?<tile>t\\d+)', example: 't12' } }, 'tile.pattern: names a group'],
    [{ tile: { pattern: '(t)\\1\\d', example: 'tt1' } }, 'tile.pattern: names a group'],
    [{ tile: { pattern: '(a+)+b', example: 'a'.repeat(60) } }, 'tile.pattern: repeats a group'],
    [{ tile: { pattern: '(?:(\\d|\\d\\d))*', example: '1'.repeat(60) } }, 'tile.pattern: repeats a group'],
    [{ planes: { image: { path: '{tile}.fits' } } }, 'planes.image.path: does not tell the bands apart'],
    [{ planes: { ...small.planes, mask: { path: '{tile}.fits' } } }, 'mask: is missing'],
    [{ mask: { noData: 3 } }, 'planes.mask: is missing'],
    [
      { defaults: { bands: ['g', 'r', 'z'] } },
      'defaults.bands[2]: is z, which is no band of the survey: g, r',
    ],
    [{ defaults: { size: '1deg' } }, 'defaults.size: is larger than limits.size'],
    [{ root: 's3://bucket/small' }, 'root: write it as s3://bucket/prefix/'],
  ])('is refused where it contradicts itself: %j', (changes, problem) => {
    expect(problemsOf(changes).join('\n')).toContain(problem);
  });

  it.each([
    ['(?:DES\\d{4}[+-]\\d{4}){1}', 'DES0102-4914'],
    ['\\d{4}[pm(+]\\d{3}', '1505p025'],
    ['(north|south)(-\\d\\d){2}\\+?', 'north-01-02'],
  ])('has tiles of the pattern %s', (pattern, example) => {
    expect(parsed({ tile: { pattern, example } }).tile.pattern).toBe(pattern);
  });

  it('is refused where its file is no YAML, or is to be a large one', () => {
    expect(() => parseSurvey('a: [', 'x.yaml')).toThrow('x.yaml is no YAML');
    expect(() => parseSurvey('a: &a [1]\nb: *a', 'x.yaml')).toThrow('x.yaml has an alias');
  });

  it('may be read by everybody, by its groups, or by administrators', () => {
    const user = { group: null, role: 'user' };
    expect(mayRead({ readers: 'public' }, user)).toBe(true);
    expect(mayRead({ readers: ['des'] }, user)).toBe(false);
    expect(mayRead({ readers: ['des'] }, { ...user, group: 'lsst' })).toBe(false);
    expect(mayRead({ readers: ['lsst', 'des'] }, { ...user, group: 'des' })).toBe(true);
    expect(mayRead({ readers: ['des'] }, { ...user, role: 'admin' })).toBe(true);
  });

  it('has angles', () => {
    expect([degreesOf('90arcsec'), degreesOf('1.5arcmin'), degreesOf('2deg')]).toEqual([0.025, 0.025, 2]);
  });
});

describe('a path template', () => {
  const of = { root: 's3://b/p/', plane: 'weight', bands: ['N', 'N2', 'r+'], tile: 't\\d+' };

  it('tells tile and band of its files, and none of others', () => {
    const { prefix, match } = pathTemplate({ ...of, path: 'coadd/{tile}/x*_{tile}.{plane}_{band}.fits' });
    expect(prefix).toBe('s3://b/p/coadd/');
    expect(match('s3://b/p/coadd/t1/x-v2_t1.weight_N2.fits')).toEqual({ tile: 't1', band: 'N2' });
    expect(match('s3://b/p/coadd/t1/x_t1.weight_r+.fits')).toEqual({ tile: 't1', band: 'r+' });
    for (const other of [
      't1/x_t2.weight_N.fits',
      't1/x_t1.image_N.fits',
      't1/x_t1.weight_Nx.fits',
      't1/y/x_t1.weight_N.fits',
      't1/x_t1xweight_N.fits',
      't1/x_t1.weight_N.fits.fz',
    ])
      expect(match(`s3://b/p/coadd/${other}`)).toBeUndefined();
  });

  it('may be absolute, and without a band', () => {
    const { prefix, match } = pathTemplate({ ...of, path: 's3://other/{tile}.fits', root: undefined });
    expect(prefix).toBe('s3://other/');
    expect(match('s3://other/t7.fits')).toEqual({ tile: 't7', band: '' });
    expect(() => pathTemplate({ ...of, path: '{tile}.fits', root: undefined })).toThrow('there is no root');
  });

  it('is refused where it cannot be one', () => {
    expect(templateProblem('{tile}/{band}.fits')).toBeUndefined();
    expect(templateProblem('{band}.fits')).toContain('lacks {tile}');
    expect(templateProblem('{tile}{x}')).toContain('has { or }');
    expect(templateProblem('/{tile}')).toContain('begins with');
    expect(templateProblem('https://x/{tile}')).toContain('begins with');
    expect(templateProblem('s3://*/{tile}')).toContain('names the bucket');
  });

  it('of the docs finds the real names', async () => {
    const of = async (name: string, plane: 'image' | 'mask') => {
      const { root, tile, bands, planes } = parseSurvey(
        await readFile(join(docs, `${name}.yaml`), 'utf8'),
        name,
      );
      return pathTemplate({
        path: planes[plane]!.path,
        root,
        plane,
        tile: tile.pattern,
        bands: bands.map((b) => b.name),
      });
    };
    const des = await of('des-dr2', 'image');
    expect(des.match('s3://des-dr2/dr2_tiles/DES0102-4914/DES0102-4914_r4907p01_g.fits.fz')).toEqual({
      tile: 'DES0102-4914',
      band: 'g',
    });
    const legacy = await of('legacy-dr10', 'mask');
    expect(
      legacy.match('s3://legacysurvey/dr10/south/coadd/150/1505p025/legacysurvey-1505p025-maskbits.fits.fz'),
    ).toEqual({ tile: '1505p025', band: '' });
  });
});
