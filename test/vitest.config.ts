import { availableParallelism } from 'node:os';
import { defineConfig, mergeConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import base from '../vitest.config.ts';

/** What takes minutes begins first, the longest of it before the others: whoever begins it last is waited for alone. */
const longest = [
  'faults/faults',
  'kinds/hours',
  'faults/cutout-jobs',
  'faults/deletes',
  'faults/units',
  'faults/outages',
  'faults/video',
  'faults/groups',
  'faults/predictions',
  'workflows/frame',
  'workflows/time',
  'workflows/items',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = longest.findIndex((name) => moduleId.includes(`/test/${name}`));
      return place === -1 ? longest.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

export default mergeConfig(
  base,
  defineConfig({
    test: {
      // Each has servers of its own and waits for most of its time: for deaths, time-outs and returns. Two cores serve two at once.
      maxWorkers: Math.max(2, availableParallelism() - 1),
      // Only what never comes is waited for so long.
      testTimeout: 180_000,
      sequence: { sequencer: LongestFirst },
    },
  }),
);
