import { batchResult, problemOf } from '@darkroom/contract';
import type { JobPrediction } from '@darkroom/prediction';
import { expect, it } from 'vitest';
import { csv, ndjson, resultOf } from './results.ts';

const model = { name: 'lite', version: '1', digest: 'd' };
const object = { etag: 'e', bytes: 3 };
const items: JobPrediction[] = [
  {
    ordinal: 1,
    state: 'succeeded',
    input: { uri: 's3://b/a,b.jpg', ...object },
    problem: null,
    result: 2,
    label: '=cat',
    score: 0.5,
    output: { width: 4, height: 3, format: 'png', top: [{ classId: 2, label: '=cat', score: 0.5 }] },
  },
  {
    ordinal: 2,
    state: 'succeeded',
    input: { uri: 's3://darkroom/batch-pictures/j/2', ...object, entry: 'in/2.jpg' },
    problem: null,
    result: null,
    label: null,
    score: null,
    output: { width: 4, height: 3, format: 'png', detections: [] },
  },
  {
    // Predicted in a run before, and not in this one.
    ordinal: 3,
    state: 'failed',
    input: { uri: 's3://b/gone.jpg', ...object },
    problem: problemOf('source_changed', 'It is another one now.'),
    result: 2,
    label: 'cat',
    score: 0.5,
    output: { width: 4, height: 3, format: 'png' },
  },
  {
    ordinal: 4,
    state: 'failed',
    input: { foundUnusable: {} },
    problem: problemOf('invalid_row', 'Row 4: uri: is missing.'),
    result: null,
    label: null,
    score: null,
    output: null,
  },
];
const results = items.map((item) => resultOf(item, model));
const gathered = async (lines: AsyncIterable<string>): Promise<string[]> => {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
};

it('NDJSON has a line for each picture, as the contract has it, and none says of a failed one what was said before', async () => {
  const lines = await gathered(ndjson(results));
  expect(lines.map((line) => batchResult.parse(JSON.parse(line)))).toEqual(results);
  expect(results).toMatchObject([
    { number: 1, picture: 's3://b/a,b.jpg', state: 'succeeded', result: 2, problem: null, model },
    { number: 2, picture: 'in/2.jpg', state: 'succeeded', result: null, detections: [] },
    { number: 3, picture: 's3://b/gone.jpg', state: 'failed', result: null, label: null },
    { number: 4, picture: null, problem: { code: 'invalid_row', detail: 'Row 4: uri: is missing.' } },
  ]);
});

it('CSV has the same, and starts no formula', async () => {
  const [header, first, second, third] = await gathered(csv(results));
  expect(header).toBe(
    'number,picture,state,result,label,score,top,detections,model,model_version,model_digest,problem,detail\r\n',
  );
  expect(first).toBe(
    `1,"s3://b/a,b.jpg",succeeded,2,'=cat,0.5,"[{""classId"":2,""label"":""=cat"",""score"":0.5}]",,lite,1,d,,\r\n`,
  );
  expect(second).toBe('2,in/2.jpg,succeeded,,,,,[],lite,1,d,,\r\n');
  expect(third).toBe('3,s3://b/gone.jpg,failed,,,,,,lite,1,d,source_changed,It is another one now.\r\n');
});
