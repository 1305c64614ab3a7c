import { describe, expect, it } from 'vitest';
import type { Media } from '../media.ts';
import { AnalysisForm } from './form.ts';

function readAs(media: Media, ...fields: [string, string][]) {
  const form = new AnalysisForm();
  for (const [name, value] of fields) form.add(name, value);
  return form.options(media);
}
const read = (...fields: [string, string][]) => readAs('photo', ...fields);

describe('AnalysisForm', () => {
  it('fills in the defaults', () => {
    expect(read()).toEqual({ model: 'default', scoreThreshold: 0.4, labels: [], annotate: true });
  });

  it('gives text its type', () => {
    const fields: [string, string][] = [
      ['annotate', 'False'],
      ['labels', 'cat, dog'],
      ['scoreThreshold', '0.25'],
      ['labels', 'potted plant'],
      ['model', 'yolo11n'],
    ];
    expect(read(...fields)).toEqual({
      model: 'yolo11n',
      scoreThreshold: 0.25,
      labels: ['cat', 'dog', 'potted plant'],
      annotate: false,
    });
  });

  it('reads scores of labels, pair by pair or as JSON, and how boxes are suppressed', () => {
    const thresholds = { person: 0.6, cat: 0.25 };
    const pairs = read(['thresholds', 'person=0.6'], ['thresholds', 'cat = 0.25,']);
    expect(pairs).toEqual({ ...read(), thresholds });
    expect(read(['thresholds', JSON.stringify(thresholds)])).toEqual(pairs);
    expect(read(['iou', '0.5'], ['classAgnostic', 'True'], ['maxDetections', '7'])).toEqual({
      ...read(),
      iou: 0.5,
      classAgnostic: true,
      maxDetections: 7,
    });
    expect(() => read(['thresholds', 'person'])).toThrow(/label=score/);
    const twice = /is given twice for "cat"/;
    expect(() => read(['thresholds', 'cat=0.5,dog=0.5,cat=0.5'])).toThrow(twice);
    expect(() => read(['thresholds', '{"cat":0.5}'], ['thresholds', 'cat=0.6'])).toThrow(twice);
    expect(() => read(['thresholds', 'cat=0.5'], ['thresholds', '{"dog":0.6}'])).toThrow(/is given twice/);
    expect(() => read(['thresholds', '{"person":'])).toThrow(/no JSON/);
  });

  it('reads the options of videos as well', () => {
    expect(readAs('video')).toEqual({
      ...read(),
      mode: 'exact',
      from: 0,
      to: null,
      shortestScene: 0.5,
      longestScene: 60,
      cutThreshold: 3,
      gradual: true,
    });
    expect(readAs('video', ['sampleEvery', '2.5'])).toMatchObject({ sampleEvery: 2.5 });
    expect(readAs('video', ['sampleEvery', 'null'], ['statistics', 'false'])).toEqual(readAs('video'));
    expect(() => readAs('video', ['sampleEvery', '0'])).toThrow();
    const fields: [string, string][] = [
      ['mode', 'fast'],
      ['from', '1.5'],
      ['to', '90'],
      ['shortestScene', '0'],
      ['longestScene', '5'],
      ['cutThreshold', '2'],
      ['gradual', 'FALSE'],
      ['labels', 'cat'],
    ];
    expect(readAs('video', ...fields)).toMatchObject({
      mode: 'fast',
      from: 1.5,
      to: 90,
      shortestScene: 0,
      longestScene: 5,
      cutThreshold: 2,
      gradual: false,
      labels: ['cat'],
    });
  });

  it('takes the options of videos with a photo where they are the defaults, which generated clients send', () => {
    const defaults = read(
      ['mode', 'exact'],
      ['from', '0'],
      ['gradual', 'true'],
      ['to', 'null'],
      ['sampleEvery', 'null'],
      ['statistics', 'false'],
    );
    expect(defaults).toEqual(read());
  });

  it('names the options of videos that come with a photo', () => {
    expect(() => read(['mode', 'fast'], ['labels', 'cat'], ['from', '2'])).toThrow(
      expect.objectContaining({
        code: 'validation_failed',
        errors: [
          { pointer: '/mode', detail: expect.any(String) },
          { pointer: '/from', detail: expect.any(String) },
        ],
      }),
    );
  });

  it.each([
    ['mode', 'slow'],
    ['from', '-1'],
    ['to', '0'],
    ['longestScene', '1'],
    ['cutThreshold', 'high'],
    ['gradual', 'maybe'],
  ])('refuses %s=%s of a video', (name, value) => {
    expect(() => readAs('video', [name, value])).toThrow(expect.objectContaining({ name: 'ZodError' }));
  });

  it('refuses a range that ends before it begins', () => {
    expect(() => readAs('video', ['from', '5'], ['to', '5'])).toThrow(/has to lie after from/);
    // A decoder cannot count to it.
    for (const name of ['from', 'to']) expect(() => readAs('video', [name, '1e308'])).toThrow(/Too big/);
  });

  it('takes a blank field as not sent', () => {
    expect(read(['scoreThreshold', ' '], ['labels', ''])).toEqual(read());
  });

  it.each([
    ['scoreThreshold', 'high'],
    ['scoreThreshold', '2'],
    ['scoreThreshold', 'NaN'],
    ['scoreThreshold', 'Infinity'],
    ['annotate', 'maybe'],
    ['thresholds', 'person=2'],
    ['thresholds', 'person=high'],
    ['thresholds', '{"person":"0.5"}'],
    ['thresholds', '{"cat":0.5,"__proto__":0.5}'],
    ['thresholds', '__proto__=0.5'],
    ['iou', '1.5'],
    ['maxDetections', '0'],
    ['maxDetections', '1.5'],
    ['classAgnostic', 'maybe'],
    ['model', 'x'.repeat(201)],
    ['labels', 'y'.repeat(101)],
  ])('refuses %s=%s', (name, value) => {
    expect(() => read([name, value])).toThrow(expect.objectContaining({ name: 'ZodError' }));
  });

  it.each<{ fields: [string, string][] }>([
    { fields: [['color', 'red']] },
    { fields: [['__proto__', '{}']] },
    { fields: [['constructor', 'x']] },
    {
      fields: [
        ['model', 'a'],
        ['model', 'b'],
      ],
    },
  ])('refuses unknown and repeated fields at once: $fields', ({ fields }) => {
    expect(() => read(...fields)).toThrow(expect.objectContaining({ code: 'validation_failed' }));
  });
});
