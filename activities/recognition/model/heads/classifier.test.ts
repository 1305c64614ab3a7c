import { describe, expect, it } from 'vitest';
import { tensor } from '../../testing/models.ts';
import { classify, softmax } from './classifier.ts';

const logits = { outputs: 'logits', labels: ['cat', 'dog', 'horse'] } as const;
const model = { ...logits, labels: [...logits.labels] };
const row = (...values: number[]) => ({ dims: [1, values.length], data: Float32Array.from(values) });

describe('classes', () => {
  it('of logits are told by a softmax, best first', () => {
    expect(classify({ logits: row(1, 3, 2) }, model)).toEqual([
      { label: 'dog', classId: 1, score: 0.6652 },
      { label: 'horse', classId: 2, score: 0.2447 },
      { label: 'cat', classId: 0, score: 0.09 },
    ]);
  });

  it('of probabilities are told as they are, whether they add up to 1 or not', () => {
    const found = classify({ probs: row(0.9, 0.2, 0.9) }, { ...model, outputs: 'probabilities' }, 2);
    expect(found).toEqual([
      { label: 'cat', classId: 0, score: 0.9 },
      { label: 'horse', classId: 2, score: 0.9 },
    ]);
  });

  it('are found whatever the output is called, pooled or not, and beside others', () => {
    const top = (outputs: Parameters<typeof classify>[0]) => classify(outputs, model, 1)[0]?.label;
    expect(top({ '495': { ...row(1, 3, 2), dims: [1, 3, 1, 1] } })).toBe('dog');
    expect(top({ features: row(9, 1, 1, 1), logits: row(1, 3, 2) })).toBe('dog');
    expect(top({ map: tensor([1, 3, 7, 7]), a: row(1, 3, 2) })).toBe('dog');
  });

  it('are not made of what is no row of classes, nor of what are no numbers', () => {
    const wrong = [
      { a: row(1, 2, 3), b: row(1, 2, 3) },
      { a: tensor([1, 84, 8400]) },
      { a: tensor([1, 1]) },
      { a: tensor([3]) },
      { a: row(1, Number.NaN, 3) },
      { a: row(1, Number.POSITIVE_INFINITY, 3) },
    ];
    for (const outputs of wrong)
      expect(() => classify(outputs, model)).toThrow(expect.objectContaining({ code: 'unsupported_model' }));
  });

  it('without a label are called by their number', () => {
    expect(classify({ a: row(0, 0, 9, 0) }, { ...model, labels: { 7: 'x' } }, 1)).toMatchObject([
      { label: 'class 2', classId: 2 },
    ]);
  });
});

it('a softmax of large logits is no nonsense', () => {
  expect([...softmax(Float32Array.of(1000, 1000, -1000))]).toEqual([0.5, 0.5, 0]);
});
