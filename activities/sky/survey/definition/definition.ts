/** What a survey is: its bands and planes, where its files lie, who may read it. One YAML file says so, see docs/surveys.md. */
import { z } from 'zod';
import { templateProblem } from './template.ts';

/** Planes of a tile, in the order in which cutouts have them. */
export const planeNames = ['image', 'weight', 'mask'] as const;
export type PlaneName = (typeof planeNames)[number];

const line = (most: number) =>
  z
    .string('give a text')
    .trim()
    .min(1, 'is empty')
    .max(most, `is longer than ${most} characters`)
    .regex(/^\P{Cc}*$/u, 'has control characters');
const number = () => z.number('give a number');
const bit = () => number().int('give a whole number').min(0, 'bits begin at 0').max(62, 'bits end at 62');
const angle = /^(\d+(?:\.\d+)?)(arcsec|arcmin|deg)$/;
const degreesIn: Readonly<Record<string, number>> = { arcsec: 1 / 3600, arcmin: 1 / 60, deg: 1 };
const angleText = () =>
  z
    .string('give an angle such as 1arcmin')
    .regex(angle, 'write a number and arcsec, arcmin or deg, as in 1arcmin');

/** Degrees of an angle such as `1arcmin`, as a definition has it. */
export function degreesOf(text: string): number {
  const [, value, unit = ''] = angle.exec(text) ?? [];
  return Number(value) * (degreesIn[unit] ?? Number.NaN);
}

const wcsKind = z.enum(['TAN', 'TAN-SIP', 'TPV', 'SIN'], 'give TAN, TAN-SIP, TPV or SIN');
export type WcsKind = z.infer<typeof wcsKind>;

const band = z.strictObject({
  name: z
    .string('give a name such as r')
    .regex(/^[A-Za-z0-9][A-Za-z0-9_+-]{0,15}$/, 'has up to 16 letters, digits, _, + and -'),
  /** Nanometres in vacuum, the middle of the band. */
  wavelength: number().positive('give nanometres above 0').max(1e9, 'give nanometres'),
  /** AB magnitude of one unit of the image. */
  zeropoint: number().optional(),
  unit: line(68).optional(),
  /** Where it is not that of the survey. */
  wcs: wcsKind.optional(),
});

const plane = z.strictObject({
  /** Of the files, `s3://…` or below `root`: `{tile}`, `{band}` and `{plane}` stand for names, `*` for any text without a slash. */
  path: line(1000).superRefine((path, context) => {
    const problem = templateProblem(path);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  }),
  /** Number or EXTNAME of the HDU; of the EXTNAME a part may be `{band}`. Absent: the first that has an image. */
  hdu: z
    .union([number().int('give a whole number').min(0, 'HDUs begin at 0'), line(68)], {
      error: 'give the number of an HDU, or its EXTNAME',
    })
    .optional(),
  unit: line(68).optional(),
});

const picture = {
  /** Red, green and blue. */
  bands: z.tuple([z.string(), z.string(), z.string()], 'give three bands, of red, green and blue'),
  algorithm: z.enum(['lupton', 'stiff'], 'give lupton or stiff').default('lupton'),
  /** Of Lupton's: see `LuptonAsinhStretch` of astropy. */
  stretch: number().positive('give a number above 0').optional(),
  q: number().positive('give a number above 0').optional(),
  minimum: z.union([number(), z.tuple([number(), number(), number()])]).optional(),
  /** Least and greatest value of each of the three, where they are not measured. */
  levels: z
    .array(z.tuple([number(), number()]))
    .length(3, 'give three pairs')
    .optional(),
};

/** The schema of a survey's YAML. */
export const surveyDefinition = z
  .strictObject({
    /** What requests name it by. */
    name: z
      .string('give a name such as des-dr2')
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'has up to 64 lower-case letters, digits, ., _ and -'),
    title: line(200),
    release: line(100),
    /** Prefix that relative paths begin at; the command may name another. */
    root: z
      .string()
      .regex(/^s3:\/\/[^/]+\/(?:.*\/)?$/, 'write it as s3://bucket/prefix/, with a slash at its end')
      .optional(),
    tile: z.strictObject({
      /** Regular expression of tiles' names, anchored at both ends. */
      pattern: line(500),
      example: line(100),
    }),
    wcs: wcsKind,
    /** Of images, where their band does not say. */
    unit: line(68).optional(),
    bands: z.array(band, 'give a list of bands').min(1, 'give one band at least').max(64, 'are more than 64'),
    planes: z.strictObject({ image: plane, weight: plane.optional(), mask: plane.optional() }),
    /** What the bits of the mask say. */
    mask: z
      .strictObject({
        /** A pixel with one of them has no measured value: a cutout whose centre has it comes with a warning. */
        bad: z.array(z.strictObject({ bit: bit(), name: line(60) })).default([]),
        /** The bit that a cutout's mask has where there is no tile. */
        noData: bit(),
      })
      .optional(),
    /** `public`: everybody who has a key. Else the groups whose members may. */
    readers: z.union([z.literal('public'), z.array(line(100)).min(1, 'name one group at least')], {
      error: 'give public, or a list of groups',
    }),
    defaults: z.strictObject({ size: angleText().default('1arcmin'), ...picture }).partial({ bands: true }),
    limits: z.strictObject({
      /** Longest side. */
      size: angleText(),
      /** Of one plane of one band. */
      pixels: number().int('give a whole number').min(1, 'give 1 at least'),
    }),
    credit: line(2000),
    licence: line(500).optional(),
    /** A place with something to see, degrees. */
    example: z.strictObject({
      ra: number().min(0, 'lies from 0 to 360').lt(360, 'lies from 0 to 360'),
      dec: number().min(-90, 'lies from -90 to 90').max(90, 'lies from -90 to 90'),
    }),
  })
  .superRefine((survey, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    const names = survey.bands.map(({ name }) => name);
    for (const [i, name] of names.entries())
      if (names.indexOf(name) < i)
        refuse(['bands', i, 'name'], `is ${name} a second time; give each band once`);
    const pattern = compiled(survey.tile.pattern);
    const wrong = patternProblem(survey.tile.pattern);
    if (wrong !== undefined) refuse(['tile', 'pattern'], wrong);
    else if (pattern === undefined) refuse(['tile', 'pattern'], 'is no regular expression');
    else if (!pattern.test(survey.tile.example))
      refuse(['tile', 'example'], 'does not match tile.pattern; change the one that is wrong');
    const { path, hdu = '' } = survey.planes.image;
    if (names.length > 1 && !`${path}${hdu}`.includes('{band}'))
      refuse(['planes', 'image', 'path'], 'does not tell the bands apart: have {band} in it, or in hdu');
    if ((survey.planes.mask === undefined) !== (survey.mask === undefined))
      refuse(
        survey.mask === undefined ? ['mask'] : ['planes', 'mask'],
        'is missing: planes.mask says where the masks are, mask what their bits mean; give both or neither',
      );
    const { bands = [], size } = survey.defaults;
    for (const [i, name] of bands.entries())
      if (!names.includes(name))
        refuse(['defaults', 'bands', i], `is ${name}, which is no band of the survey: ${names.join(', ')}`);
    if (degreesOf(size) > degreesOf(survey.limits.size))
      refuse(['defaults', 'size'], 'is larger than limits.size');
  });

/** A survey as its file says. */
export type SurveyDefinition = z.infer<typeof surveyDefinition>;

/** The expression of a whole tile name; undefined for none. */
export function compiled(pattern: string): RegExp | undefined {
  try {
    // Alone first: `a)(b` is no expression, and would be one within the brackets.
    new RegExp(pattern, 'u');
    return new RegExp(`^(?:${pattern})$`, 'u');
  } catch {
    return undefined;
  }
}

/** What must not be in a pattern though it is an expression: it becomes a part of longer ones, which meet names that nobody has seen before. */
function patternProblem(pattern: string): string | undefined {
  let bare = pattern.replaceAll(/\\[^1-9k]/g, 'x').replaceAll(/\[(?:\\.|[^\]])*\]/g, 'x');
  if (/\(\?<[^=!]|\\[1-9k]/.test(bare))
    return 'names a group, or means one again; write it without, as in (?:…)';
  // From the inmost group on. What may match one name in two ways a piece, repeated, may do so in 2^n for n pieces.
  for (let group = inmost.exec(bare); group !== null; group = inmost.exec(bare)) {
    const [whole, body = '', repeat] = group;
    const branches = /[*+?|]|\{\d+,/.test(body.replace(/^\?(?:[:=!]|<[=!])/, ''));
    if (branches && repeat !== undefined)
      return 'repeats a group that itself repeats or chooses, which can take for ever; write it without';
    bare = bare.replace(whole, () => (branches ? 'x*' : 'x'));
  }
  return undefined;
}

const inmost = /\(([^()]*)\)([*+]|\{\d+,)?/;
