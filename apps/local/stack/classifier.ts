import { ensureDefaultClassifier } from '@darkroom/recognition/converter/efficientnet/setup.ts';
import { SetupError, type Terminal } from '../terminal.ts';

/**
 * Makes the classifier that `/predict` has where nobody names another model. Where it cannot be had that is said, and the start goes on: all
 * works but predictions, which say why.
 */
export async function getClassifier(
  models: string,
  env: NodeJS.ProcessEnv,
  terminal: Pick<Terminal, 'say' | 'progress'>,
): Promise<void> {
  if (env.MODEL_PATH) return;
  try {
    await ensureDefaultClassifier(models, { env, listener: terminal });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    terminal.say(error.message);
  }
}
