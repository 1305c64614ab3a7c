import { loadConfig } from '@darkroom/platform';
import type { Kind } from '@darkroom/records';
import { expect, it } from 'vitest';
import { toy } from '../records/testing.ts';
import { expiryOf, takesHours } from './kinds.ts';

const day = 24 * 3_600_000;
const database = { DATABASE_URL: 'postgres://db/darkroom' };

/** Days from now; undefined: kept. */
function keptFor(kind: Kind, env: Record<string, string> = {}): number | undefined {
  const config = loadConfig({ ...database, ...env });
  const expiry = expiryOf({ kinds: { [kind.kind]: kind }, config }, kind.kind);
  return expiry && Math.round((expiry.getTime() - Date.now()) / day);
}

it('results are kept as the kind says, unless the settings say otherwise of it', () => {
  const weekly = { ...toy, retentionDays: 7 };
  expect(keptFor(toy)).toBeUndefined();
  expect(keptFor(weekly)).toBe(7);
  expect(keptFor(weekly, { RETENTION_DAYS: 'toy=30, other=1' })).toBe(30);
  expect(keptFor(weekly, { RETENTION_DAYS: 'other=1' })).toBe(7);
  expect(keptFor(weekly, { RETENTION_DAYS: 'toy=forever' })).toBeUndefined();
});

it('the older setting is that of analyses, where none says more', () => {
  const days = { RETENTION_ANALYSIS_DAYS: '90' };
  expect(keptFor({ ...toy, kind: 'photo' }, days)).toBe(90);
  expect(keptFor({ ...toy, kind: 'video' }, { ...days, RETENTION_DAYS: 'video=5' })).toBe(5);
  expect(keptFor(toy, days)).toBeUndefined();
});

it('takes hours whose activities may work for longer than any may that says nothing', () => {
  const takes = (longest: Kind['longest']) =>
    takesHours({ toy: longest === undefined ? toy : { ...toy, longest } }, 'toy');
  expect([takes(undefined), takes('5 minutes'), takes('10 minutes')]).toEqual([false, false, false]);
  expect([takes('11 minutes'), takes('1 hour'), takes('3 hours')]).toEqual([true, true, true]);
});
