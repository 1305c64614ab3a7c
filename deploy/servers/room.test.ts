import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { fullDiskMessage, requireRoom } from './room.mjs';

it('says in one line that the disk is full', async () => {
  await requireRoom(tmpdir(), 1);
  await expect(requireRoom(tmpdir(), 2 ** 60)).rejects.toThrow(/^Only \d+ MB are free .* DARKROOM_HOME .*$/);
  expect(fullDiskMessage('/data', 1024 ** 2 * 3.9, 1024 ** 2 * 500)).toBe(
    'Only 3 MB are free on the disk of /data; at least 500 MB are needed. ' +
      'Free some space, or set DARKROOM_HOME to a folder on a larger disk.',
  );
});
