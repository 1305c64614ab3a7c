/**
 * Carries a run's trace context from its start to its activities without recording anything: what workers load where nobody collects
 * spans. The OpenTelemetry SDK inside every workflow's sandbox costs as much processor time as the rest of a small job's workflow.
 */
import type { Headers, WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** The header that Temporal's OpenTelemetry plugin reads and writes on the other side. */
const traceHeader = '_tracer-data';

/** One relay a run: what its start carried goes with everything the run asks for. */
export const interceptors: WorkflowInterceptorsFactory = () => {
  let carried: Headers = {};
  const withTrace = <I extends { readonly headers: Headers }>(input: I): I => ({
    ...input,
    headers: { ...carried, ...input.headers },
  });
  return {
    inbound: [
      {
        execute(input, next) {
          const trace = input.headers[traceHeader];
          if (trace !== undefined) carried = { [traceHeader]: trace };
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next(withTrace(input)),
        scheduleLocalActivity: (input, next) => next(withTrace(input)),
        startChildWorkflowExecution: (input, next) => next(withTrace(input)),
        continueAsNew: (input, next) => next(withTrace(input)),
      },
    ],
  };
};
