/** Sky surveys as they are told of. */
import { z } from 'zod';
import { cutoutFormat } from './cutout.ts';

const bandOfSurvey = z
  .object({
    name: z.string().meta({ example: 'r' }),
    wavelength: z
      .number()
      .meta({ description: 'Nanometres in vacuum, the middle of the band.', example: 643 }),
    zeropoint: z.number().nullable().meta({ description: 'AB magnitude of one unit of the image.' }),
    unit: z.string().nullable().meta({ description: 'Of the image.', example: 'nanomaggy' }),
  })
  .meta({ id: 'SurveyBand' });

export const surveyDocument = z
  .object({
    name: z.string().meta({ description: 'What requests name it by.', example: 'sample-coadd' }),
    title: z.string(),
    release: z.string(),
    state: z.enum(['indexing', 'ready']).meta({
      description: '`indexing`: for the first time; the tiles found so far are served.',
    }),
    readable: z.boolean().meta({ description: 'Whether you may have cutouts of it.' }),
    bands: z.array(bandOfSurvey),
    planes: z.array(z.enum(['image', 'weight', 'mask'])),
    formats: z.array(cutoutFormat),
    limits: z.object({
      size: z.string().meta({ description: 'Longest side.', example: '10arcmin' }),
      pixels: z.int().meta({ description: 'Of one plane of one band.' }),
    }),
    defaults: z.object({
      size: z.string().meta({ example: '1arcmin' }),
      bands: z.array(z.string()).nullable().meta({ description: 'Red, green and blue of a colour picture.' }),
      algorithm: z.enum(['lupton', 'stiff']),
    }),
    mask: z
      .array(z.object({ bit: z.int(), name: z.string() }))
      .nullable()
      .meta({ description: 'Bits of the mask that say that a pixel has no measured value.' }),
    example: z
      .object({ ra: z.number(), dec: z.number() })
      .meta({ description: 'A place with something to see: ICRS, degrees.' }),
    area: z.number().meta({ description: 'Square degrees that are covered.' }),
    footprint: z
      .object({
        order: z
          .int()
          .meta({ description: 'HEALPix order of its finest cells; 12: 51 seconds of arc.', example: 12 }),
        moc: z.string().meta({
          description: 'Path of the coverage map.',
          example: '/v1/surveys/sample-coadd/moc',
        }),
      })
      .nullable()
      .meta({ description: 'What is covered; null until the survey is indexed anew.' }),
    tiles: z.int(),
    verified: z.boolean().meta({
      description: 'Whether every byte that is read of it is checked against what was verified.',
    }),
    indexedAt: z.iso.datetime().nullable(),
    credit: z.string().meta({ description: 'What to say where its data are used.' }),
    licence: z.string().nullable(),
  })
  .meta({ id: 'Survey' });
export type SurveyDocument = z.infer<typeof surveyDocument>;

/** Serialisations of a coverage map, IVOA MOC 2.0. */
export const mocFormat = z.enum(['json', 'ascii', 'fits']);

/** Cells by order: `{"8":[1,2],"12":[]}`. */
export const mocDocument = z
  .record(z.string(), z.array(z.int()))
  .meta({ id: 'Moc', description: 'HEALPix cells (NESTED, ICRS) by order, as IVOA MOC 2.0 writes them.' });

export const surveyList = z.object({ surveys: z.array(surveyDocument) }).meta({ id: 'SurveyList' });
