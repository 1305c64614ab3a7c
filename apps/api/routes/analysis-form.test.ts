import { describe, expect, it } from 'vitest';
import { AnalysisForm } from './analysis-form.ts';

function read(...fields: [string, string][]) {
  const form = new AnalysisForm();
  for (const [name, value] of fields) form.add(name, value);
  return form.options();
}

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

  it('takes a blank field as not sent', () => {
    expect(read(['scoreThreshold', ' '], ['labels', ''])).toEqual(read());
  });

  it.each([
    ['scoreThreshold', 'high'],
    ['scoreThreshold', '2'],
    ['scoreThreshold', 'NaN'],
    ['scoreThreshold', 'Infinity'],
    ['annotate', 'maybe'],
    ['model', 'x'.repeat(101)],
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
