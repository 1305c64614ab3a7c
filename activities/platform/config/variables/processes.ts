/** Variables of every process: how it runs, and what is told of it. */
import { queues } from '@darkroom/contract';
import { z } from 'zod';
import { failpointPlan } from '../../failpoint.ts';
import { json, port, text, url } from './values.ts';

type Served = (typeof queues)[keyof typeof queues];
/** Workflows run beside light steps, so that queue is not named by itself. */
const served = Object.values(queues) as [Served, ...Served[]];

export const processes = {
  DARKROOM_MODE: z.enum(['development', 'production']).optional().meta({
    description:
      'In production no secret has a default and failpoints are refused. NODE_ENV=production means the same.',
    example: 'production',
    absent: 'production if NODE_ENV is, else development',
  }),
  NODE_ENV: text.optional().meta({
    description: 'Read where DARKROOM_MODE is absent.',
    example: 'production',
    absent: 'development',
  }),
  DARKROOM_HOME: text.default('.darkroom').meta({
    description:
      'Folder for everything generated: servers, models, data, logs. A relative path starts at the repository.',
    example: '/var/lib/darkroom',
  }),
  DARKROOM_QUEUES: text
    .transform((value) => value.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(served)).min(1))
    .optional()
    .meta({
      description: 'Task queues that a worker serves, separated by commas.',
      example: served.join(','),
      absent: 'all of them',
    }),
};

export const observation = {
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
    .default('info')
    .meta({ description: 'Least level of the JSON logs on stdout.', example: 'debug' }),
  LOG_DIR: text.optional().meta({
    description: 'Folder of log files.',
    example: '/var/log/darkroom',
    absent: 'DARKROOM_HOME/logs',
  }),
  ACCESS_LOG: text.optional().meta({
    description: 'Access log of the API: one JSON line per request, rotated by size.',
    example: '/var/log/darkroom/output.log',
    absent: 'LOG_DIR/output.log',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: url.optional().meta({
    description: 'Where traces go by OTLP over HTTP; OTEL_EXPORTER_OTLP_HEADERS is read too.',
    example: 'http://127.0.0.1:4318',
    absent: 'traces are not exported',
  }),
  WORKER_METRICS_PORT: port.optional().meta({
    description: 'Prometheus metrics of the worker (/metrics), on loopback.',
    example: '9464',
    absent: '9464, or a free one where another worker of the machine has that; the log names it',
  }),
  WORKER_SDK_METRICS_PORT: port.optional().meta({
    description: 'Metrics of Temporal’s SDK; the worker’s own /metrics has them too.',
    example: '9465',
    absent: '9465, or a free one',
  }),
};

export const testing = {
  DARKROOM_FAILPOINTS: json.pipe(failpointPlan).optional().meta({
    description: 'For tests: where the process is to die, stop, wait or fail. Refused in production.',
    example: '{"seed":1,"points":{"item.before-publish":{"kill":0.1}}}',
    absent: 'nowhere',
  }),
};
