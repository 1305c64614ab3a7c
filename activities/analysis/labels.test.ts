import { describe, expect, it } from 'vitest';
import { requireLabels } from './labels.ts';

describe('a label that no model has', () => {
  const models = [
    { name: 'coco', labels: ['person', 'cat', 'cow', 'cup'].map((label, classId) => ({ classId, label })) },
  ];
  const refusal = (labels: string[], thresholds?: Record<string, number>) => {
    try {
      requireLabels({ labels, thresholds }, models);
      return undefined;
    } catch (error) {
      return error;
    }
  };

  it('is named, with the nearest ones', () => {
    expect(refusal(['cat', 'catt'], { 'per/son': 0.5 })).toMatchObject({
      code: 'unknown_label',
      message: expect.stringContaining('"catt" is no label of coco; nearest: cat, cow, cup'),
      errors: [
        { pointer: '/labels/1' },
        { pointer: '/thresholds/per~1son', detail: expect.stringContaining('nearest: person') },
      ],
    });
  });

  it('is none where it is known, or is a class without one, or no model is known', () => {
    expect(refusal(['cat', 'class 12'], { person: 0.5 })).toBeUndefined();
    expect(() => requireLabels({ labels: ['catt'] }, [])).not.toThrow();
  });

  it('is helped with few of many, in little time', () => {
    const labels = Array.from({ length: 200 }, (_, n) => `${n}`.padStart(100, 'x'));
    expect(refusal(labels)).toMatchObject({
      message: expect.stringMatching(/And 190 more\.$/),
      errors: { length: 10 },
    });
  });

  it('is told of a model that has no labels, too', () => {
    expect(() => requireLabels({ labels: ['cat'] }, [{ name: 'bare', labels: [] }])).toThrow(
      '"cat" is no label of bare, which has none',
    );
  });
});
