/** The sky surveys there are. */
import {
  cutoutFormat,
  mocDocument,
  mocFormat,
  ProblemError,
  type SurveyDocument,
  surveyDocument,
  surveyList,
} from '@darkroom/contract';
import { mocAscii, mocFits, mocJson } from '@darkroom/sky/sphere/moc/forms.ts';
import { coarser } from '@darkroom/sky/sphere/moc/moc.ts';
import { mayRead } from '@darkroom/sky/survey/definition/access.ts';
import { planeNames } from '@darkroom/sky/survey/definition/definition.ts';
import { getSurvey, listSurveys, mocOfSurvey, type Survey } from '@darkroom/sky/survey/records/surveys.ts';
import { contentDisposition } from '@darkroom/storage';
import { createRoute, z } from '@hono/zod-openapi';
import type { Actor, Api } from '../../context.ts';
import { plainText, problems } from '../../openapi/describe.ts';

const tags = ['Cutouts'];

const listRoute = createRoute({
  method: 'get',
  path: '/v1/surveys',
  operationId: 'listSurveys',
  tags,
  summary: 'Sky surveys that there are',
  description:
    'Each with its bands, planes and limits, a place to begin with, and whether you may read it. Operators add surveys with `npm run survey -- index`.',
  responses: {
    200: { description: 'The surveys, by name.', content: { 'application/json': { schema: surveyList } } },
    ...problems(),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/surveys/{name}',
  operationId: 'getSurvey',
  tags,
  summary: 'One sky survey',
  request: {
    params: z.object({
      name: plainText(64)
        .min(1)
        .meta({ description: 'Its name.', example: 'sample-coadd', param: { name: 'name', in: 'path' } }),
    }),
  },
  responses: {
    200: { description: 'The survey.', content: { 'application/json': { schema: surveyDocument } } },
    ...problems('not_found', 'validation_failed'),
  },
});

const binary = z.string().meta({ format: 'binary' });

const mocRoute = createRoute({
  method: 'get',
  path: '/v1/surveys/{name}/moc',
  operationId: 'getSurveyMoc',
  tags,
  summary: 'What a sky survey covers, as a coverage map',
  description:
    'An IVOA MOC 2.0: HEALPix cells (NESTED, ICRS) that hold all that any image covers, and beside its borders no more than the cells that these run through. Of the exact footprints of the tiles, as they were last indexed.',
  request: {
    params: getRoute.request.params,
    query: z.strictObject({
      format: mocFormat
        .default('json')
        .meta({ description: '`ascii` as Aladin takes it, `fits` of NUNIQ numbers.' }),
      order: z.coerce.number().int().min(0).max(29).optional().meta({
        description: 'Of its finest cells, where it is to be coarser than `footprint.order` of the survey.',
        example: 8,
      }),
    }),
  },
  responses: {
    200: {
      description: 'The map.',
      content: {
        'application/json': { schema: mocDocument },
        'text/plain': { schema: z.string() },
        'application/fits': { schema: binary },
      },
    },
    ...problems('not_found', 'validation_failed'),
  },
});

/** Registers the routes. */
export function registerSurveys(api: Api): void {
  api.openapi(listRoute, async (c) => {
    const all = await listSurveys(c.var.deps.records.db);
    return c.json({ surveys: all.map((survey) => documentOf(survey, c.var.caller)) }, 200);
  });

  api.openapi(getRoute, async (c) => {
    const { name } = c.req.valid('param');
    const survey = await getSurvey(c.var.deps.records.db, name);
    if (survey === undefined)
      throw new ProblemError('not_found', `There is no survey ${name}. GET /v1/surveys lists all.`);
    return c.json(documentOf(survey, c.var.caller), 200);
  });

  api.openapi(mocRoute, async (c) => {
    const { name } = c.req.valid('param');
    const { format, order } = c.req.valid('query');
    const whole = await mocOfSurvey(c.var.deps.records.db, name);
    if (whole === undefined)
      throw new ProblemError(
        'not_found',
        `There is no coverage map of ${name}. GET /v1/surveys lists the surveys; one without a footprint is to be indexed anew.`,
      );
    const moc = order === undefined ? whole : coarser(whole, order);
    if (format === 'json') return c.json(mocJson(moc), 200);
    if (format === 'ascii') return c.text(mocAscii(moc), 200);
    return c.body(new Uint8Array(mocFits(moc)), 200, {
      'content-type': 'application/fits',
      'content-disposition': contentDisposition(`${name}.moc.fits`),
    });
  });
}

function documentOf(survey: Survey, caller: Actor): SurveyDocument {
  const { definition } = survey;
  const { name, title, release, bands, planes, limits, defaults, mask, example, credit } = definition;
  return {
    name,
    title,
    release,
    state: survey.state,
    readable: mayRead(definition, caller),
    bands: bands.map((band) => ({
      name: band.name,
      wavelength: band.wavelength,
      zeropoint: band.zeropoint ?? null,
      unit: band.unit ?? planes.image.unit ?? definition.unit ?? null,
    })),
    planes: planeNames.filter((plane) => planes[plane] !== undefined),
    formats: cutoutFormat.options,
    limits,
    defaults: { size: defaults.size, bands: defaults.bands ?? null, algorithm: defaults.algorithm },
    mask: mask?.bad ?? null,
    example,
    area: survey.area,
    footprint: survey.mocOrder === null ? null : { order: survey.mocOrder, moc: `/v1/surveys/${name}/moc` },
    tiles: survey.tiles,
    verified: survey.verified,
    indexedAt: survey.indexedAt?.toISOString() ?? null,
    credit,
    licence: definition.licence ?? null,
  };
}
