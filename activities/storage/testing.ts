/** What tests of those who store things have in common. */
import type { Storage } from './storage.ts';

/** Nobody else deletes here. */
export const alone = { assertHeld: async (): Promise<void> => {} };

/** Keys of the objects under a prefix, sorted. */
export async function keysUnder(storage: Pick<Storage, 'list'>, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  return keys.sort();
}
