/** What a request carries, and what the app was given. */
import type { Dispatch } from '@darkroom/dispatch';
import type { AccessLog, Config, Logger } from '@darkroom/platform';
import type { Caller, Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import type { HttpBindings } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Cutting } from './cutting/cutter.ts';
import type { Lasting } from './middleware/admission.ts';
import type { Predicting } from './predicting/predictor.ts';
import type { Follower } from './streaming/follower.ts';

export interface ApiDeps {
  readonly config: Config;
  readonly logger: Logger;
  readonly records: Records;
  readonly storage: Storage;
  readonly dispatch: Dispatch;
  readonly follower: Follower;
  readonly predicting: Predicting;
  readonly cutting: Cutting;
  readonly accessLog: AccessLog;
  /** Aborts when the process is told to stop: it says that it is not ready, and serves on for a while (API_DRAIN_SECONDS). */
  readonly draining: AbortSignal;
  /** Aborts when that while is over and nothing more is taken in: what streams without an end ends then. */
  readonly stopping: AbortSignal;
}

/** Who calls: on whose behalf jobs run, and which key it was. */
export interface Actor extends Caller {
  /** Id of the key, also of the one that a signed link was made with. */
  readonly keyId?: string;
}

export interface ApiVariables {
  deps: ApiDeps;
  requestId: string;
  /** Absent where no trace is made. */
  traceId: string | undefined;
  /** Bound to request and trace; made when it is asked for, as few requests do. */
  logger: () => Logger;
  /** Set on all but the public paths, see middleware/authentication.ts. */
  caller: Actor;
  /** Whether the caller's key still holds: asked again by what lasts. Set as `caller` is. */
  keyHolds: () => Promise<boolean>;
  /** Counts what lasts for the caller until the answer is taken; throws `too_many_open`. Set as `caller` is. */
  hold: (what: Lasting) => void;
  /** Set by handlers, for the access log. */
  jobId: string | undefined;
  /** Likewise. */
  predictionId: number | undefined;
}

export interface ApiEnv {
  Variables: ApiVariables;
  /** Absent where the app is called without a server. */
  Bindings: Partial<HttpBindings>;
}

export type Api = OpenAPIHono<ApiEnv>;
export type ApiContext = Context<ApiEnv>;
