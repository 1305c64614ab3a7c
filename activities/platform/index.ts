/** What every process needs: configuration, logs, traces, metrics, failpoints, an orderly end. */

export { type Config, ConfigError, corsOrigins, loadConfig } from './config/config.ts';
export {
  type FailpointAct,
  type FailpointPlan,
  failpoint,
  failpointAct,
  failpointPlan,
  parseJournal,
} from './failpoint.ts';
export { type AccessEntry, type AccessLog, accessLog } from './logs/access-log.ts';
export { createLogger, type Logger, type LogLevel, setLevel } from './logs/log.ts';
export { scrub } from './logs/scrub.ts';
export { releaseMemory } from './memory.ts';
export { handleShutdown, type Shutdown } from './shutdown.ts';
export { freeMetricsPort, metrics, metricsText, reportJobs, serveMetrics } from './telemetry/metrics.ts';
export {
  currentSpan,
  currentTraceId,
  currentTraceparent,
  linkTo,
  startTelemetry,
  type Telemetry,
  withSharedSpan,
  withSpan,
  withTraceparent,
} from './telemetry/telemetry.ts';
