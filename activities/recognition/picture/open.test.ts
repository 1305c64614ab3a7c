import { expect, it } from 'vitest';
import { named } from './open.ts';

it.each([
  ['VipsJpeg: Insufficient memory (case 4)', 'memory_limit'],
  ['vips_tracked: out of memory --- size == 286MB', 'memory_limit'],
  ['VipsJpeg: premature end of JPEG image', 'truncated_image'],
])('tells a process without memory from a damaged picture: %s', async (message, code) => {
  const read = () => Promise.reject(new Error(message));
  await expect(named('picture', 'jpeg', read)).rejects.toMatchObject({ code });
});
