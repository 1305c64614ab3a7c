import { describe, expect, it } from 'vitest';
import { aliasPattern, modelNamePattern, versionPattern } from './names.ts';
import type { KnownVersion, ModelsNow, Open } from './now.ts';
import { resolveModel } from './resolve.ts';

const open = (changes: Partial<Open> = {}): KnownVersion['open'] => ({
  predictions: { workers: 2, lanes: 4, own: 0, ...changes },
});
let registered = 0;
const version = (name: string, of: string, changes: Partial<KnownVersion> = {}): KnownVersion => ({
  name,
  version: of,
  digest: `${name}-${of}`,
  state: 'ready',
  wanted: true,
  serves: ['predictions'],
  registeredAt: ++registered,
  open: open(),
  ...changes,
});
/** As Postgres gives them: newest first. */
const now = (versions: KnownVersion[], changes: Partial<ModelsNow> = {}): ModelsNow => ({
  versions: versions.toReversed(),
  aliases: [],
  defaults: {},
  ...changes,
});
const of = (state: ModelsNow, asked: string, draw = 0.5) => {
  const found = resolveModel(state, 'predictions', asked, () => draw);
  return found && [found.model.digest, found.alias, found.canary];
};
const refusal = (state: ModelsNow, asked: string) => {
  try {
    return of(state, asked);
  } catch (error) {
    return error;
  }
};

describe('the name of a model', () => {
  const [v1, v2] = [version('birds', '1'), version('birds', '2')];

  it('is its newest version that is open, where no alias is set', () => {
    expect(of(now([v1, v2]), 'birds')).toEqual(['birds-2', null, false]);
    expect(of(now([v1, { ...v2, open: {} }]), 'birds')).toEqual(['birds-1', null, false]);
  });

  it('is what workers were configured with, where no alias is set, also when newer ones are loaded', () => {
    const own = { ...v1, open: open({ workers: 1, own: 1 }) };
    for (const asked of ['birds', 'default'])
      expect(of(now([own, v2]), asked), asked).toEqual(['birds-1', null, false]);
    const replaced = version('birds', '3', { open: open({ own: 2 }) });
    expect(of(now([own, v2, replaced]), 'birds')).toEqual(['birds-3', null, false]);
  });

  it('that is an alias is not taken over by a file of that version which is not registered', () => {
    const other = { ...v1, digest: 'other', state: null };
    const aliases = [{ name: 'birds', alias: 'production', version: '1' }];
    expect(of(now([other, { ...v1, open: {} }], { aliases }), 'birds')).toEqual([
      'birds-1',
      'production',
      false,
    ]);
  });

  it('is what production stands for, newer ones or not', () => {
    const aliases = [{ name: 'birds', alias: 'production', version: '1' }];
    expect(of(now([v1, v2], { aliases }), 'birds')).toEqual(['birds-1', 'production', false]);
  });

  it('may have an alias or a version behind it', () => {
    const aliases = [{ name: 'birds', alias: 'staging', version: '1' }];
    expect(of(now([v1, v2], { aliases }), 'birds@staging')).toEqual(['birds-1', 'staging', false]);
    expect(of(now([v1, v2], { aliases }), 'birds@2')).toEqual(['birds-2', null, false]);
    const odd = version('my@home', '1');
    expect(of(now([odd]), 'my@home')).toEqual(['my@home-1', null, false]);
  });

  it('that nobody knows is refused, as is a version that is not loaded', () => {
    const unloaded = version('birds', '3', { wanted: false, open: {} });
    const failed = version('bats', '1', { wanted: false, state: 'failed', open: {} });
    const state = now([v1, unloaded, failed]);
    for (const asked of ['bords', 'birds@4', 'birds@', '@1', 'birds@staging'])
      expect(refusal(state, asked), asked).toMatchObject({ code: 'unknown_model' });
    for (const asked of ['birds@3', 'bats', 'bats@1'])
      expect(refusal(state, asked), asked).toMatchObject({ code: 'model_not_ready' });
  });

  it('of a model for something else is not known', () => {
    expect(
      refusal(now([version('boxes', '1', { serves: ['recognition'], open: {} })]), 'boxes'),
    ).toMatchObject({
      code: 'unknown_model',
    });
  });

  it('is resolved where all who had it open are gone', () => {
    const gone = { ...v1, open: {} };
    const aliases = [{ name: 'birds', alias: 'production', version: '1' }];
    for (const state of [now([gone]), now([gone], { aliases })])
      expect(resolveModel(state, 'predictions', 'birds')).toMatchObject({
        model: { version: '1' },
        open: { workers: 0 },
      });
  });
});

describe('default', () => {
  const ants = version('ants', '1');
  const bees = version('bees', '1', { open: open({ own: 1 }) });

  it('is what workers were configured with, else any, and nothing where there is none', () => {
    expect(of(now([ants, bees]), 'default')).toEqual(['bees-1', null, false]);
    expect(of(now([ants]), 'default')).toEqual(['ants-1', null, false]);
    expect(of(now([]), 'default')).toBeUndefined();
  });

  it('is another where an operator says so, by its alias', () => {
    const aliases = [{ name: 'ants', alias: 'production', version: '1' }];
    expect(of(now([ants, bees], { aliases, defaults: { predictions: 'ants' } }), 'default')).toEqual([
      'ants-1',
      'production',
      false,
    ]);
  });
});

describe('a canary', () => {
  const [v1, v2] = [version('birds', '1'), version('birds', '2')];
  const aliases = [
    { name: 'birds', alias: 'production', version: '1', canary: { version: '2', share: 0.25 } },
  ];

  it('gets its share', () => {
    const drawn = Array.from({ length: 100 }, (_, i) => of(now([v1, v2], { aliases }), 'birds', i / 100));
    expect(drawn.filter((one) => one?.[2] === true)).toEqual(Array(25).fill(['birds-2', 'production', true]));
    expect(drawn.filter((one) => one?.[2] === false)).toEqual(
      Array(75).fill(['birds-1', 'production', false]),
    );
  });

  it('gets nothing where nobody has it open', () => {
    const state = now([v1, { ...v2, open: {}, wanted: false }], { aliases });
    expect(of(state, 'birds', 0)).toEqual(['birds-1', 'production', false]);
  });
});

it('a version looks like no alias, and an alias like no version', () => {
  const versions = ['1', '2026-11-27', 'v3', '1.0.0+cuda', '007'];
  const aliases = ['production', 'staging', 'blue_2', 'canary'];
  for (const text of versions)
    expect([versionPattern.test(text), aliasPattern.test(text)], text).toEqual([true, false]);
  for (const text of aliases)
    expect([versionPattern.test(text), aliasPattern.test(text)], text).toEqual([false, true]);
  for (const text of ['default', '', '../x', 'a@b', 'a b', '-a'])
    expect(modelNamePattern.test(text), text).toBe(false);
  // What is called by its digest.
  expect(aliasPattern.test('deadbeefcafe')).toBe(false);
});
