/** What spans lose before they are exported: what is too large to keep, what may hold a secret, and children beyond a number. */
import { type Attributes, type Context, SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { scrub } from '../logs/scrub.ts';

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

const leftOut = 'darkroom.spans_left_out';

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

/** Spans below one of ours that are told; a page of a thousand items asks the records and the store thousands of times. */
const mostChildren = 128;

/**
 * Hands spans to `next` once they have lost what must not leave the process. Of the spans below one, so many are told, and all that failed or
 * have some below themselves; how many more there were is an attribute of that one.
 */
export class PruningSpanProcessor implements SpanProcessor {
  readonly #next: SpanProcessor;
  /** Ended children of the spans that have not ended, by their id. */
  readonly #children = new Map<string, number>();

  constructor(next: SpanProcessor) {
    this.#next = next;
  }

  onStart(span: Span, parent: Context): void {
    this.#children.set(span.spanContext().spanId, 0);
    this.#next.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    const { spanId } = span.spanContext();
    const children = this.#children.get(spanId) ?? 0;
    this.#children.delete(spanId);
    if (children > mostChildren) span.attributes[leftOut] = children - mostChildren;
    if (children === 0 && this.#isTooMany(span)) return;
    pruneAttributes(span.attributes);
    pruneErrors(span);
    this.#next.onEnd(span);
  }

  /** Counts the span as a child, and says whether it is one too many. */
  #isTooMany({ parentSpanContext, status }: ReadableSpan): boolean {
    const parent = parentSpanContext?.spanId;
    const before = parent === undefined ? undefined : this.#children.get(parent);
    if (parent === undefined || before === undefined || status.code === SpanStatusCode.ERROR) return false;
    this.#children.set(parent, before + 1);
    return before >= mostChildren;
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}
