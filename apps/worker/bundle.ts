/** The workflow bundle: the same sources and interceptors, the same bytes. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
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

/**
 * The bundle of all workflows, kept in `folder` under a digest of what goes into it: a worker that restarts does not
 * wait seconds for the same bytes. Whatever is wrong with the folder, the bundle is made.
 */
export async function cachedBundle(
  telemetry: Telemetry,
  logger: Logger,
  folder: string,
): Promise<WorkflowBundleWithSourceMap> {
  const file = join(folder, `workflows-${await digestOfSources()}.js`);
  const kept = await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined) return { code: kept, sourceMap: '' };
  const bundle = await bundleWorkflows(telemetry, logger);
  try {
    await mkdir(folder, { recursive: true });
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, bundle.code);
    await rename(draft, file);
  } catch (error) {
    logger.warn({ err: error }, 'the workflow bundle could not be kept');
  }
  return bundle;
}

/** Workflow sources, and the lock file for what they stand on. */
async function digestOfSources(): Promise<string> {
  const workflows = dirname(createRequire(import.meta.url).resolve('@darkroom/workflows'));
  const sources = (await readdir(workflows)).filter((name) => /(?<!\.test)\.ts$/.test(name)).sort();
  const hash = createHash('sha256');
  for (const path of [
    ...sources.map((name) => join(workflows, name)),
    resolve(workflows, '../package-lock.json'),
  ]) {
    hash.update(path).update(await readFile(path));
  }
  return hash.digest('hex').slice(0, 16);
}
