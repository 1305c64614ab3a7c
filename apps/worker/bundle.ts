/** The workflow bundle: the same sources and interceptors, the same bytes. */
import { createRequire } from 'node:module';
import type { Logger, Telemetry } from '@darkroom/platform';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry-v2';
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

/** Traces of client, worker, bundle and replay go through one plugin. */
export function tracing({ resource, spanProcessor }: Telemetry): OpenTelemetryPlugin {
  return new OpenTelemetryPlugin({ resource, spanProcessor });
}

/** Bundles a file that exports workflows; by default all of Darkroom's. */
export async function bundleWorkflows(
  telemetry: Telemetry,
  logger: Logger,
  workflowsPath = createRequire(import.meta.url).resolve('@darkroom/workflows'),
): Promise<WorkflowBundleWithSourceMap> {
  const started = performance.now();
  const bundle = await bundleWorkflowCode({
    workflowsPath,
    plugins: [tracing(telemetry)],
    logger: {
      log() {},
      trace() {},
      debug() {},
      info() {},
      warn: (m) => logger.warn(m),
      error: (m) => logger.error(m),
    },
  });
  logger.debug(
    { ms: Math.round(performance.now() - started), bytes: bundle.code.length },
    'workflows bundled',
  );
  return bundle;
}
