import { ensureDefaultModel } from '@darkroom/recognition/setup.ts';
import type { Terminal } from './terminal.ts';

/** The path of the default detector, made (fetched and converted, some seconds) at the first call. */
export async function ensureModel(folder: string, terminal: Terminal): Promise<string> {
  return ensureDefaultModel(folder, (line) => terminal.say(line));
}
