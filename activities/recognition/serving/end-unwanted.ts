/** Lanes that are opened as they are asked for, and held for nobody: those of a version that is not loaded end when nothing runs in them. */
import type { ModelIdentity } from '@darkroom/contract';
import type { Logger } from '@darkroom/platform';
import type { ModelLanes } from '../lane/lanes.ts';
import { unusedSeconds } from './serve-models.ts';

export interface EndingUnwanted {
  readonly models: Pick<ModelLanes, 'unused' | 'pidsOf' | 'own' | 'unload'>;
  readonly logger: Logger;
  /** The versions that the records want open. */
  readonly wanted: () => Promise<readonly Pick<ModelIdentity, 'digest'>[]>;
}

const lookMs = 5000;

/**
 * Looks every few seconds until what it returns is called: ends the lanes of versions that nobody has asked for, for a minute, where they are neither
 * wanted nor the worker's own. Who asks later has them opened anew.
 */
export function endUnwanted(deps: EndingUnwanted): () => Promise<void> {
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(() => look(deps));
  }, lookMs).unref();
  return async () => {
    clearInterval(timer);
    await looking;
  };
}

async function look({ models, logger, wanted }: EndingUnwanted): Promise<void> {
  // Nothing is asked of the records while nothing rests.
  const resting = () => models.unused(unusedSeconds).filter((model) => models.pidsOf(model).length > 0);
  if (resting().length === 0) return;
  try {
    const own = await models.own().catch(() => undefined);
    const kept = new Set([...(await wanted()), ...(own ? [own.identity] : [])].map(({ digest }) => digest));
    // As it is now: somebody may have asked meanwhile.
    for (const model of resting().filter(({ digest }) => !kept.has(digest))) {
      logger.info({ model }, 'a model version that is not loaded is let go of');
      await models.unload(model);
    }
  } catch (error) {
    logger.debug({ err: error }, 'the records did not say which models are wanted; trying again');
  }
}
