/** What a batch is published with: a line for each picture, those that failed too, written as they are read from the ledger. */
import { type BatchOptions, type BatchResult, knownOfPicture, type ModelIdentity } from '@darkroom/contract';
import type { StreamedObject } from '@darkroom/frame';
import { csvLine } from '@darkroom/platform/csv.ts';
import { type JobPrediction, predictionsOfJob } from '@darkroom/prediction';
import type { Db } from '@darkroom/records';
import { inChunks } from '@darkroom/storage';

type Results = AsyncIterable<BatchResult> | Iterable<BatchResult>;

/** What came of an item, as its line says it. */
export function resultOf(item: JobPrediction, model: ModelIdentity | null): BatchResult {
  const { ordinal: number, state, problem, input } = item;
  const { uri, entry } = knownOfPicture.parse(input);
  const picture = entry ?? uri ?? null;
  if (state !== 'succeeded')
    return {
      number,
      picture,
      state: 'failed',
      result: null,
      label: null,
      score: null,
      model,
      problem: problem === null ? null : { code: problem.code, detail: problem.detail },
    };
  const { result, label, score, output } = item;
  return { number, picture, state, result, label, score, ...output, model, problem: null };
}

/** NDJSON: a result a line. */
export async function* ndjson(results: Results): AsyncGenerator<string> {
  for await (const result of results) yield `${JSON.stringify(result)}\n`;
}

const columns = [
  'number',
  'picture',
  'state',
  'result',
  'label',
  'score',
  'top',
  'detections',
  'model',
  'model_version',
  'model_digest',
  'problem',
  'detail',
];

/** CSV (RFC 4180): a header, then a result a line; the best classes and the boxes are JSON. Text can start no formula in a spreadsheet. */
export async function* csv(results: Results): AsyncGenerator<string> {
  yield csvLine(columns);
  for await (const { top, detections, model, problem, ...result } of results)
    yield csvLine([
      result.number,
      result.picture,
      result.state,
      result.result,
      result.label,
      result.score,
      top === undefined ? null : JSON.stringify(top),
      detections === undefined ? null : JSON.stringify(detections),
      model?.name ?? null,
      model?.version ?? null,
      model?.digest ?? null,
      problem?.code ?? null,
      problem?.detail ?? null,
    ]);
}

const written = {
  ndjson: { lines: ndjson, contentType: 'application/x-ndjson' },
  csv: { lines: csv, contentType: 'text/csv' },
} as const;

/** The results of a batch as objects, in the formats asked for. */
export function publishedResults(
  db: Db,
  { jobId, model, formats }: Pick<BatchOptions, 'formats'> & { jobId: string; model: ModelIdentity | null },
): StreamedObject[] {
  async function* results(): AsyncGenerator<BatchResult> {
    for await (const item of predictionsOfJob(db, jobId)) yield resultOf(item, model);
  }
  return [...new Set(formats)].map((format) => {
    const path = `predictions.${format}`;
    const { lines, contentType } = written[format];
    return {
      key: `batch-predictions/${jobId}/${path}`,
      path,
      pieces: inChunks(lines(results())),
      contentType,
    };
  });
}
