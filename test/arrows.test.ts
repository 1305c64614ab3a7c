import { describe, expect, it } from 'vitest';
import { judge, packageOf, readImports } from './arrows.ts';

describe('readImports', () => {
  it('finds every form and tells types from values', () => {
    const source = [
      "import { a } from 'one';",
      "import type { B } from 'two';",
      "import 'three';",
      'import {',
      '  c,',
      '  type D,',
      "} from 'four';",
      "export { e } from './five.ts';",
      "export type { F } from './six.ts';",
      "export * from './seven.ts';",
      "import * as g from 'eight';",
      "const h = await import('nine');",
      '// import { no } from "comment";',
      "const text = 'plain';",
    ].join('\n');
    expect(readImports(source)).toEqual([
      { specifier: 'one', typeOnly: false },
      { specifier: 'two', typeOnly: true },
      { specifier: 'three', typeOnly: false },
      { specifier: 'four', typeOnly: false },
      { specifier: './five.ts', typeOnly: false },
      { specifier: './six.ts', typeOnly: true },
      { specifier: './seven.ts', typeOnly: false },
      { specifier: 'eight', typeOnly: false },
      { specifier: 'nine', typeOnly: false },
    ]);
  });
});

describe('packageOf', () => {
  it.each([
    ['workflows/contract/job.ts', 'contract'],
    ['workflows/job.ts', 'workflows'],
    ['activities/frame/items.ts', 'frame'],
    ['apps/api/main.ts', 'api'],
    ['test/arrows.ts', 'test'],
    ['vitest.config.ts', undefined],
  ])('%s is in %s', (path, name) => {
    expect(packageOf(path)).toBe(name);
  });
});

describe('judge', () => {
  const value = (specifier: string) => ({ specifier, typeOnly: false });
  const type = (specifier: string) => ({ specifier, typeOnly: true });

  it.each([
    ['apps/api/main.ts', value('@darkroom/dispatch')],
    ['activities/recognition/activities.ts', value('@darkroom/frame')],
    ['activities/raster/activities.ts', value('@darkroom/program')],
    ['workflows/photo.ts', type('@darkroom/recognition')],
    ['workflows/photo.ts', type('./contract/analysis.ts')],
    ['workflows/photo.ts', value('./job.ts')],
    ['workflows/photo.ts', value('@temporalio/workflow')],
    ['activities/dispatch/engine.ts', value('@temporalio/client')],
    ['activities/records/jobs.test.ts', value('../../test/harness/stack.ts')],
    ['test/e2e.test.ts', value('../apps/local/supervisor.ts')],
  ])('%s may import $specifier', (path, one) => {
    expect(judge(path, one)).toBeUndefined();
  });

  it.each([
    ['activities/recognition/activities.ts', value('@darkroom/media')],
    ['activities/recognition/activities.ts', value('../media/scenes.ts')],
    ['activities/frame/items.ts', value('@darkroom/dispatch')],
    ['activities/storage/read.ts', value('@darkroom/records')],
    ['activities/records/jobs.ts', value('../../test/harness/stack.ts')],
    ['activities/platform/config.ts', value('@darkroom/api')],
    ['apps/api/main.ts', value('../local/layout.ts')],
    ['apps/api/main.ts', value('@temporalio/client')],
    ['workflows/photo.ts', value('@darkroom/contract')],
    ['workflows/photo.ts', value('./contract/analysis.ts')],
    ['workflows/photo.ts', value('node:fs')],
    ['workflows/photo.ts', value('zod')],
    ['workflows/contract/job.ts', value('@darkroom/platform')],
    ['activities/unknown/index.ts', value('@darkroom/platform')],
  ])('%s must not import $specifier', (path, one) => {
    expect(judge(path, one)).toEqual(expect.any(String));
  });
});
