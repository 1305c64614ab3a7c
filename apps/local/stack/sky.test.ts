import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { toVector } from '@darkroom/sky/sphere/vector.ts';
import { readSurvey } from '@darkroom/sky/survey/definition/read.ts';
import { listSurveys } from '@darkroom/sky/survey/records/surveys.ts';
import { findTiles } from '@darkroom/sky/survey/records/tiles.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { ensureBuckets } from './samples.ts';
import { makeSkySamples, putSkySamples, surveysOf } from './sky.ts';

let test: TestRecords;
let s3: TestS3;
let home: string;
beforeAll(async () => {
  [test, s3, home] = await Promise.all([startRecords(), startS3(), mkdtemp(join(tmpdir(), 'darkroom-sky-'))]);
  await ensureBuckets(s3, undefined);
}, 180_000);
afterAll(async () => {
  await Promise.all([test?.close(), s3?.stop(), rm(home, { recursive: true, force: true })]);
});

it('puts two surveys of samples, which can be looked up, and does it once', async () => {
  const small = { tile: 120 };
  const made = await makeSkySamples(home, small);
  const stack = { s3, postgres: test.url };
  await putSkySamples(made, stack, home);
  const { db } = test.records;
  const surveys = await listSurveys(db);
  expect(surveys).toMatchObject([
    { name: 'sample-bricks', state: 'ready', tiles: 7, files: 33, verified: false, brokenCount: 0 },
    { name: 'sample-coadd', state: 'ready', tiles: 4, files: 36, verified: true, brokenCount: 0 },
  ]);
  for (const { name, definition } of surveys) {
    const { ra, dec } = definition.example;
    const tiles = await findTiles(db, { survey: name, centre: toVector(ra, dec) });
    expect(new Set(tiles.map(({ band }) => band))).toEqual(
      new Set(definition.bands.map((band) => band.name)),
    );
    for (const { planes } of tiles) expect(Object.keys(planes).sort()).toEqual(['image', 'mask', 'weight']);
    expect(await readSurvey(join(surveysOf(home), `${name}.yaml`))).toEqual(definition);
  }
  const before = await readdir(made, { recursive: true });
  const { mtimeMs } = await stat(made);
  expect(await makeSkySamples(home, small)).toBe(made);
  expect((await stat(made)).mtimeMs).toBe(mtimeMs);
  const rows = () => test.records.sql`select id from survey_files order by id`;
  const known = await rows();
  await putSkySamples(made, stack, home);
  // What is there already is neither put nor read again.
  expect(await rows()).toEqual(known);
  expect(await readdir(made, { recursive: true })).toEqual(before);
}, 120_000);
