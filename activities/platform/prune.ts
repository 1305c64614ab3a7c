/** What a span loses before it is exported: what is too large to keep, and what may hold a secret. */
import type { Attributes, Context } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { scrub } from './scrub.ts';

/** Temporal's plugin puts the whole workflow info on each workflow span, 3 kB of it; what is left tells which run it was. */
const workflowNoise = [
  'memo',
  'searchAttributes',
  'typedSearchAttributes',
  'parent',
  'root',
  'lastResult',
  'lastFailure',
  'historyLength',
  'historySize',
  'continueAsNewSuggested',
  'suggestedContinueAsNewReasons',
  'targetWorkerDeploymentVersionChanged',
  'firstExecutionRunId',
  'originalExecutionRunId',
  'continuedFromExecutionRunId',
  'startTime',
  'runStartTime',
  'executionTimeoutMs',
  'executionExpirationTime',
  'runTimeoutMs',
  'taskTimeoutMs',
  'retryPolicy',
  'cronSchedule',
  'cronScheduleToScheduleInterval',
  'priority',
  'unsafe',
  'currentBuildId',
  'currentDeploymentVersion',
];

const urls = ['url.full', 'http.url', 'http.target'];

function pruneAttributes(attributes: Attributes): void {
  if ('workflowType' in attributes) for (const name of workflowNoise) delete attributes[name];
  delete attributes['url.query'];
  for (const name of urls) {
    const url = attributes[name];
    if (typeof url === 'string') attributes[name] = pathOf(url);
  }
}

/** A URL or path without origin, query and fragment. */
function pathOf(url: string): string {
  return url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '') || '/';
}

function pruneErrors({ status, events }: ReadableSpan): void {
  if (status.message !== undefined) status.message = scrub(status.message);
  for (const { attributes } of events) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (typeof value === 'string' && attributes !== undefined) attributes[name] = scrub(value);
    }
  }
}

/** Hands spans to `next` once they have lost what must not leave the process. */
export class PruningSpanProcessor implements SpanProcessor {
  readonly #next: SpanProcessor;

  constructor(next: SpanProcessor) {
    this.#next = next;
  }

  onStart(span: Span, parent: Context): void {
    this.#next.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    pruneAttributes(span.attributes);
    pruneErrors(span);
    this.#next.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}
