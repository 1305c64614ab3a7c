/** Variables of the API: where it is, and who may do what. */
import { z } from 'zod';
import { amount, json, port, text, url, whole } from './values.ts';

/** Scheme, host and port, as a browser's Origin header has them. */
const origins = z
  .string()
  .transform((value) => value.split(',').map((origin) => origin.trim()))
  .pipe(
    z.array(
      z
        .string()
        .refine(
          (origin) => origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin),
          'expected origins such as https://viewer.example.org, without a path',
        ),
    ),
  );

const grant = z
  .strictObject({
    owner: z.string().min(1).optional(),
    group: z.string().min(1).optional(),
    everyone: z.literal(true).optional(),
    prefix: z.string().regex(/^s3:\/\/[^/]+(\/.*)?$/, 'expected s3://bucket/prefix/'),
    access: z.enum(['read', 'read-write']),
  })
  .refine(
    ({ owner, group, everyone }) => owner !== undefined || group !== undefined || everyone === true,
    'expected one of owner, group, everyone',
  );

export const api = {
  API_HOST: text
    .default('127.0.0.1')
    .meta({ description: 'Address the API listens on.', example: '0.0.0.0' }),
  API_PORT: port.default(8000).meta({ description: 'TCP port of the API.', example: '8000' }),
  PUBLIC_URL: url.optional().meta({
    description: 'Address under which users reach the API; links carry it.',
    example: 'https://darkroom.example.org',
    absent: 'http://localhost:API_PORT',
  }),
  API_DRAIN_SECONDS: amount(0, 3600).optional().meta({
    description:
      'How long an API that is told to stop says that it is not ready and serves on, so that who sends requests to it (load balancer, Kubernetes) has found others by then.',
    example: '10',
    absent: '5 in production, else 0',
  }),
  CORS_ORIGINS: origins.optional().meta({
    description:
      'Origins of pages served elsewhere that may use the API, separated by commas; * for all. The embedded bucket gets the same; of another bucket, its operator sets the CORS rules.',
    example: 'https://viewer.example.org,http://localhost:5173',
    absent: 'none',
  }),
  LINK_SECRET: z.string().min(32, 'expected at least 32 characters').optional().meta({
    description:
      'Signs the short-lived links to results, event streams and pictures. Required in production, and as soon as API_HOST or PUBLIC_URL is not loopback.',
    example: '<output of `openssl rand -hex 32`>',
    absent: 'on loopback in development made from DATABASE_URL',
    secret: true,
  }),
  LINK_TTL_SECONDS: whole(10, 604_800)
    .default(900)
    .meta({ description: 'How long a signed link works.', example: '900' }),
  DARKROOM_GRANTS: json
    .pipe(z.array(grant))
    .optional()
    .meta({
      description:
        'Who may use which S3 prefixes as source or target besides their own uploads: a JSON array of ' +
        '{owner | group | everyone: true, prefix, access: read | read-write}.',
      example: '[{"group":"lab","prefix":"s3://pictures/lab/","access":"read"}]',
      absent: 'none',
    }),
};
