/** What every process needs: configuration, logs, traces, metrics, failpoints, an orderly end. */
export { type AccessEntry, type AccessLog, accessLog } from './access-log.ts';
export { type Config, ConfigError, loadConfig } from './config.ts';
export {
  type FailpointAct,
  type FailpointPlan,
  failpoint,
  failpointAct,
  failpointPlan,
  parseJournal,
} from './failpoint.ts';
export { createLogger, type Logger, type LogLevel, setLevel } from './log.ts';
export { releaseMemory } from './memory.ts';
export { metrics, metricsText, reportJobs, serveMetrics } from './metrics.ts';
export { scrub } from './scrub.ts';
export { handleShutdown, type Shutdown } from './shutdown.ts';
export {
  currentTraceId,
  currentTraceparent,
  linkTo,
  startTelemetry,
  type Telemetry,
  withSpan,
  withTraceparent,
} from './telemetry.ts';
