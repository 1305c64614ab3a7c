/** The sample photos that come with the repository. */
import { readFileSync } from 'node:fs';

export function sample(name: string): Buffer {
  return readFileSync(new URL(`../../../apps/local/_samples/${name}`, import.meta.url));
}
