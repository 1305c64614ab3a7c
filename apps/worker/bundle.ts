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

/**
 * Bundles a file that exports workflows; by default all of Darkroom's. Where spans are collected their workflows make some, else they
 * pass the trace's id on. Runs replay alike either way.
 */
export async function bundleWorkflows(
  telemetry: Telemetry,
  logger: Logger,
  workflowsPath = resolveModule('@darkroom/workflows'),
): Promise<WorkflowBundleWithSourceMap> {
  const started = performance.now();
  const bundle = await bundleWorkflowCode({
    workflowsPath,
    ...(telemetry.recording
      ? { plugins: [tracing(telemetry)] }
      : { workflowInterceptorModules: [resolveModule('@darkroom/workflows/relay.ts')] }),
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
 * The bundle of the workflows that a file exports, by default all of Darkroom's, kept in `folder` under a digest of what goes into it:
 * a worker that restarts does not wait seconds for the same bytes. Whatever is wrong with the folder, the bundle is made.
 */
export async function cachedBundle(
  telemetry: Telemetry,
  logger: Logger,
  folder: string,
  workflowsPath?: string,
): Promise<WorkflowBundleWithSourceMap> {
  const spans = telemetry.recording ? 'traced' : 'untraced';
  const file = join(folder, `workflows-${spans}-${await digestOfSources(workflowsPath)}.js`);
  const kept = await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined) return { code: kept, sourceMap: '' };
  const bundle = await bundleWorkflows(telemetry, logger, workflowsPath);
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

const resolveModule = (name: string): string => createRequire(import.meta.url).resolve(name);

/** Workflow sources, those that lie with `path` too, and the lock file for what they stand on. */
async function digestOfSources(path?: string): Promise<string> {
  const workflows = dirname(resolveModule('@darkroom/workflows'));
  const hash = createHash('sha256');
  const add = async (file: string) => hash.update(file).update(await readFile(file));
  for (const file of await sourcesIn(workflows)) await add(file);
  if (path !== undefined) {
    hash.update(path);
    for (const file of await sourcesIn(dirname(path))) await add(file);
  }
  await add(resolve(workflows, '../package-lock.json'));
  return hash.digest('hex').slice(0, 16);
}

/** Those of its folders too: what all stories stand on lies in one. */
export async function sourcesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names
    .filter((name) => /(?<!\.test)\.ts$/.test(name) && !name.includes('node_modules'))
    .sort()
    .map((name) => join(folder, name));
}
