import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Grant, isGranted } from './grants.ts';

const ann = { owner: 'ann', groups: ['sky'] };
const segment = fc.stringMatching(/^[a-z]{1,4}$/);
const path = fc.array(segment, { minLength: 1, maxLength: 4 });

describe('isGranted', () => {
  it('grants exactly what has the segments of the prefix', () => {
    fc.assert(
      fc.property(path, path, fc.boolean(), (prefix, key, slash) => {
        const grant: Grant = {
          everyone: true,
          prefix: `s3://data/${prefix.join('/')}${slash ? '/' : ''}`,
          access: 'read',
        };
        const inside = key.length > prefix.length && prefix.every((text, index) => key[index] === text);
        expect(isGranted(`s3://data/${key.join('/')}`, ann, [grant], 'read')).toBe(inside);
        const below = `s3://data/${[...prefix, ...key].join('/')}`;
        expect(isGranted(below, ann, [grant], 'read')).toBe(true);
        expect(isGranted(below.replace('data', 'other'), ann, [grant], 'read')).toBe(false);
        expect(isGranted(`s3://data/${prefix.join('/')}x/${key.join('/')}`, ann, [grant], 'read')).toBe(
          false,
        );
      }),
    );
  });

  it('never grants more access, or to others, than said', () => {
    const holder = fc.record(
      {
        owner: fc.constantFrom('ann', 'bob'),
        group: fc.constantFrom('sky', 'earth'),
        everyone: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        holder,
        fc.constantFrom('read', 'read-write'),
        fc.constantFrom('read', 'write'),
        (who, access, wanted) => {
          const grant: Grant = { ...who, prefix: 's3://data/a/', access };
          const named = who.everyone === true || who.owner === 'ann' || who.group === 'sky';
          const enough = wanted === 'read' || access === 'read-write';
          expect(isGranted('s3://data/a/b', ann, [grant], wanted)).toBe(named && enough);
        },
      ),
    );
  });

  it('takes a prefix as what lies under it', () => {
    const grants: Grant[] = [{ owner: 'ann', prefix: 's3://data/team/', access: 'read' }];
    expect(isGranted('s3://data/team/', ann, grants, 'read')).toBe(true);
    expect(isGranted('s3://data/team/x/', ann, grants, 'read')).toBe(true);
    expect(isGranted('s3://data/', ann, grants, 'read')).toBe(false);
    expect(isGranted('s3://data/team', ann, grants, 'read')).toBe(false);
    expect(isGranted('s3://data/teamother/x', ann, grants, 'read')).toBe(false);
  });

  it('refuses a way around by name', () => {
    const grants: Grant[] = [{ everyone: true, prefix: 's3://data/team/', access: 'read' }];
    expect(() => isGranted('s3://data/team/../secret', ann, grants, 'read')).toThrow(
      expect.objectContaining({ code: 'invalid_uri' }),
    );
  });
});
