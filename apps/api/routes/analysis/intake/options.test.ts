import { videoOptions } from '@darkroom/contract';
import { fingerprintOf } from '@darkroom/dispatch';
import { expect, it } from 'vitest';
import { type OptionValues, optionsOf, readRequest } from './options.ts';

const files = [{ filename: 'a.mp4', sha256: 'abc' }];
const ofForm = (given: OptionValues) => fingerprintOf({ options: optionsOf('video', given), files });
const ofJson = (given: OptionValues) => {
  const { source, upload, canonical } = readRequest({ source: 's3://b/a.mp4', ...given });
  return fingerprintOf({ options: canonical, source, upload });
};
const ofRerun = (changes: OptionValues) => fingerprintOf({ rerun: 'j', input: videoOptions.parse(changes) });

// As they were made when there was no sampleEvery and no statistics: a request that is repeated after an upgrade is still the same one.
it.each([
  ['a form', ofForm({}), 'd2130a34bbdbc373c50bcfa765dcff439052510074f85c035bb2236058f3c77b'],
  [
    'a form with options',
    ofForm({ mode: 'fast', to: null, labels: ['cat'] }),
    '413f721aaefebac0805304580db2b3070357902b66611722387d71232dc5a53e',
  ],
  ['JSON', ofJson({}), '499acd8ddc02aec7142ea75f49a0ea31a26cb27bd7489f6a07e016cb2b88f03a'],
  [
    'JSON with options',
    ofJson({ mode: 'fast', to: null }),
    '566baba709857f3caa86ea8cf4af48dfeca4cfeb68857031f7135bda4012888d',
  ],
  ['a rerun', ofRerun({ from: 2 }), '6bea080e3eef065497c3ec9adcf4fe159261f583dea3cbe61423a71fa6496ba6'],
])('the fingerprint of %s of a video is the one that versions of before gave it', (_what, now, before) => {
  expect(now).toBe(before);
});

it('options that say no more than their absence make no difference to it', () => {
  const nothing = { sampleEvery: null, statistics: false, gradual: true };
  expect(ofForm(nothing)).toBe(ofForm({}));
  expect(ofJson(nothing)).toBe(ofJson({}));
  for (const of of [ofForm, ofJson, ofRerun]) expect(of({ sampleEvery: 2 })).not.toBe(of({}));
});
