import { expect, it } from 'vitest';
import { shownName } from './unpack-pictures.ts';

it('keeps a name that was refused as Postgres takes it', () => {
  expect(shownName('a\0b\n.jpg')).toBe('a\ufffdb\ufffd.jpg');
  const cut = shownName(`${'a'.repeat(1023)}😀.jpg`);
  expect(cut).toBe(`${'a'.repeat(1023)}\ufffd`);
  expect(shownName('ünï/😀.jpg')).toBe('ünï/😀.jpg');
});
