import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { judge, kindsNamed, packageOf, readImports, sources } from './arrows.ts';

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
    ['workflows/contract/jobs/job.ts', 'contract'],
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
    ['activities/recognition/jobs/activities.ts', value('@darkroom/frame')],
    ['activities/raster/activities.ts', value('@darkroom/program')],
    ['workflows/photo.ts', type('@darkroom/recognition')],
    ['workflows/photo.ts', type('./contract/kinds/analysis.ts')],
    ['workflows/photo.ts', value('./job.ts')],
    ['workflows/photo.ts', value('@temporalio/workflow')],
    ['activities/dispatch/engine.ts', value('@temporalio/client')],
    ['activities/records/jobs.test.ts', value('../../test/harness/stack.ts')],
    ['test/e2e.test.ts', value('../apps/local/stack/supervisor.ts')],
  ])('%s may import $specifier', (path, one) => {
    expect(judge(path, one)).toBeUndefined();
  });

  it.each([
    ['activities/recognition/jobs/activities.ts', value('@darkroom/media')],
    ['activities/recognition/jobs/activities.ts', value('../../media/scenes.ts')],
    ['activities/frame/items.ts', value('@darkroom/dispatch')],
    ['activities/storage/read/read.ts', value('@darkroom/records')],
    ['activities/records/jobs/jobs.ts', value('../../test/harness/stack.ts')],
    ['activities/platform/config/config.ts', value('@darkroom/api')],
    ['apps/api/main.ts', value('../local/layout.ts')],
    ['apps/api/main.ts', value('@temporalio/client')],
    ['workflows/photo.ts', value('@darkroom/contract')],
    ['workflows/photo.ts', value('./contract/kinds/analysis.ts')],
    ['workflows/photo.ts', value('node:fs')],
    ['workflows/photo.ts', value('zod')],
    ['workflows/contract/jobs/job.ts', value('@darkroom/platform')],
    ['activities/unknown/index.ts', value('@darkroom/platform')],
  ])('%s must not import $specifier', (path, one) => {
    expect(judge(path, one)).toEqual(expect.any(String));
  });
});

describe('kindsNamed', () => {
  it('finds what only some kinds have, in the code of the frame alone', () => {
    const source =
      "if (kind === 'photo') return;\nconst taskQueue = 1; // a task queue\nexport const tasks = 2;";
    expect(kindsNamed('activities/frame/end/finish.ts', source)).toEqual([
      "activities/frame/end/finish.ts:1: if (kind === 'photo') return;",
      'activities/frame/end/finish.ts:3: export const tasks = 2;',
    ]);
    expect(kindsNamed('activities/records/jobs/jobs.ts', 'select * from task_segments')).toHaveLength(1);
    for (const path of [
      'activities/records/jobs.test.ts',
      'activities/media/activities.ts',
      'apps/api/app.ts',
    ])
      expect(kindsNamed(path, source)).toEqual([]);
  });

  it('finds none in records, dispatch and frame', () => {
    const root = fileURLToPath(new URL('..', import.meta.url));
    const read = (file: string) => readFileSync(join(root, file), 'utf8');
    const files = sources(root);
    expect(files).toContain('activities/records/jobs/jobs.ts');
    expect(files.flatMap((file) => kindsNamed(file, read(file)))).toEqual([]);
  });
});
