/** JSON logs on stdout, each line with the trace it belongs to, none with a secret. */
import { isSpanContextValid, trace } from '@opentelemetry/api';
import { destination, type Logger, levels, pino } from 'pino';
import { scrub } from './scrub.ts';

export type { Logger };
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** Names whose value is never logged, up to three levels deep. What hides in URLs is taken out of the line itself. */
const secretNames = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'apiKey',
  'accessKeyId',
  'secretAccessKey',
  'linkSecret',
  'token',
];

/** Lines kept while stdout takes none; beyond that they are dropped. */
const maxHeldBytes = 8 * 1024 * 1024;

let threshold = levels.values.info!;

/** Changes the least level that is logged, of every logger of this process, children included. */
export function setLevel(level: LogLevel): void {
  threshold = levels.values[level]!;
}

/**
 * The logger of a process. Bind what is known for longer by `logger.child({ jobId })`. A line is on stdout when the call returns,
 * and a stdout that takes no more (a closed pipe, a full disk) does not disturb the process.
 */
export function createLogger({ service, level = 'info' }: { service: string; level?: LogLevel }): Logger {
  setLevel(level);
  const stdout = destination({ fd: 1, sync: true, maxLength: maxHeldBytes });
  stdout.on('error', () => {});
  return pino(
    {
      // Filtered below: a level set here would be copied into children and stay theirs.
      level: 'trace',
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: traceOfLine,
      redact: {
        paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[redacted]',
      },
      hooks: {
        logMethod(args, method, number) {
          if (number >= threshold) method.apply(this, args);
        },
        streamWrite: scrub,
      },
    },
    stdout,
  );
}

function traceOfLine(): { traceId?: string; spanId?: string } {
  const context = trace.getActiveSpan()?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return {};
  return { traceId: context.traceId, spanId: context.spanId };
}
