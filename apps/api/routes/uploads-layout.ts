import { createHash } from 'node:crypto';

/** Where an owner's uploads lie in the bucket. Owners may hold any character, so a digest stands for the name. Ends in a slash. */
export function uploadsPrefix(owner: string): string {
  return `uploads/${createHash('sha256').update(owner).digest('hex').slice(0, 32)}/`;
}
