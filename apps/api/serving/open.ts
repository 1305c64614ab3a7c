/** The app with what it stands on, for whichever process serves it. */
import { createDispatch, type Engine } from '@darkroom/dispatch';
import { assumedOf, Estimates } from '@darkroom/estimates';
import { accessLog, type Telemetry } from '@darkroom/platform';
import { type Kinds, openRecords } from '@darkroom/records';
import { assumedOfCutouts } from '@darkroom/sky/realtime/plan.ts';
import { createStorage } from '@darkroom/storage';
import { createApp, type Service } from '../app.ts';
import type { Api, ApiDeps } from '../context.ts';
import { createCutting } from '../cutting/cutter.ts';
import { createPredicting } from '../predicting/predictor.ts';
import { createFollower } from '../streaming/follower.ts';

export interface ApiParts extends Pick<ApiDeps, 'config' | 'logger' | 'draining' | 'stopping'> {
  readonly telemetry: Telemetry;
  readonly kinds: Kinds;
  /** Routes; by default all of Darkroom's. */
  readonly services?: readonly Service[] | undefined;
  /** Instead of Temporal. */
  readonly engine?: Engine | undefined;
  /** Name of the process among Postgres' connections. */
  readonly application: string;
  /** Told how each part is closed, as it is opened; what was opened last is to be closed first. */
  readonly onClose: (name: string, close: () => unknown) => void;
}

/** Opens what the app stands on and makes the app. Nothing is sent before the first request. */
export function openApi({
  config,
  logger,
  telemetry,
  kinds,
  services,
  engine,
  application,
  draining,
  stopping,
  onClose,
}: ApiParts): ApiDeps & { readonly app: Api } {
  const requests = accessLog(config.log.access, {
    onError: (error) => logger.error({ err: error }, 'the access log cannot be written'),
  });
  onClose('access log', () => requests.close());
  const records = openRecords({ ...config.database, application });
  onClose('records', () => records.close());
  const storage = createStorage(config.s3);
  onClose('storage', () => storage.close());
  const estimates = new Estimates({
    records,
    logger,
    assumed: { ...assumedOf(kinds), cutout: assumedOfCutouts },
  });
  const dispatch = createDispatch({
    records,
    storage,
    config,
    logger,
    telemetry,
    kinds,
    estimates,
    ...(engine && { engine }),
  });
  onClose('dispatch', () => dispatch.close());
  const follower = createFollower(records);
  onClose('follower', () => follower.close());
  const predicting = createPredicting({ config, records, storage, dispatch });
  onClose('predictions', () => predicting.close());
  const cutting = createCutting({ config, estimates, records, dispatch });
  onClose('cutouts', () => cutting.close());
  const opened = { records, storage, dispatch, follower, predicting, cutting, accessLog: requests };
  const deps = { config, logger, ...opened, draining, stopping };
  return { ...deps, app: createApp(deps, services) };
}
