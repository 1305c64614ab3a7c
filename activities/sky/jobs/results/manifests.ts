/** The manifest of a job of cutouts: what became of every row of its list, in the list's order, those that failed too. */
import { brokenCutoutItem, type CutoutResult, cutoutItem } from '@darkroom/contract';
import type { StreamedObject } from '@darkroom/frame';
import { csvLine } from '@darkroom/platform/csv.ts';
import { type Db, read } from '@darkroom/records';
import { jobItems } from '@darkroom/records/schema.ts';
import { inChunks } from '@darkroom/storage';
import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm';
import { writeSize } from '../../realtime/fitting.ts';
import { jobCutouts } from '../../schema.ts';
import { type CutoutTemplate, requestAt } from '../list/sets.ts';
import { itemStage } from './made.ts';

/** Rows of the ledger that are read together. */
const rowsAtOnce = 1000;
const numbersAtOnce = 10_000;

const numbersPage = read(async (db: Db, jobId: string, after: number) =>
  db
    .select({
      ordinal: jobItems.ordinal,
      row: sql<number>`(${jobItems.input} ->> 'row')::int`,
      set: sql<number>`(${jobItems.input} ->> 'set')::int`,
    })
    .from(jobItems)
    .where(and(eq(jobItems.jobId, jobId), eq(jobItems.stage, itemStage), gt(jobItems.ordinal, after)))
    .orderBy(asc(jobItems.ordinal))
    .limit(numbersAtOnce),
);

/** Ordinals in the order of rows and sets; four bytes each. */
async function inListOrder(db: Db, jobId: string): Promise<Uint32Array> {
  const places: number[] = [];
  const ordinals: number[] = [];
  for (let after = 0; ; ) {
    const page = await numbersPage(db, jobId, after);
    for (const { ordinal, row, set } of page) {
      places.push(row * 1000 + set);
      ordinals.push(ordinal);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < numbersAtOnce) break;
    after = last.ordinal;
  }
  const order = Uint32Array.from(places.keys()).sort((a, b) => places[a]! - places[b]!);
  return order.map((i) => ordinals[i]!);
}

const itemsAt = read(async (db: Db, jobId: string, ordinals: readonly number[]) =>
  db
    .select({
      ordinal: jobItems.ordinal,
      state: jobItems.state,
      input: jobItems.input,
      problem: jobItems.problem,
      files: jobItems.files,
      facts: jobCutouts.facts,
    })
    .from(jobItems)
    .leftJoin(jobCutouts, and(eq(jobCutouts.jobId, jobItems.jobId), eq(jobCutouts.ordinal, jobItems.ordinal)))
    .where(
      and(eq(jobItems.jobId, jobId), eq(jobItems.stage, itemStage), inArray(jobItems.ordinal, [...ordinals])),
    ),
);

type ResultItem = Awaited<ReturnType<typeof itemsAt>>[number];

/** One row of the manifest. */
export function resultOf(item: ResultItem, sets: readonly CutoutTemplate[]): CutoutResult {
  const { state, input, problem, files, facts } = item;
  const known = cutoutItem.safeParse(input).data;
  const { row, set, id } = known ?? brokenCutoutItem.parse(input);
  const template = sets[set];
  const size = known && template && requestAt(template, { ...known, size: known.size ?? null }).size;
  const [file] = (state === 'succeeded' ? files : null) ?? [];
  return {
    row,
    set,
    id,
    ra: known?.ra ?? null,
    dec: known?.dec ?? null,
    survey: template?.survey ?? '',
    size: size === undefined ? '' : writeSize(size),
    format: template?.format ?? '',
    bands: template?.bands.join(',') ?? '',
    file: file?.path ?? null,
    tiles: (file && facts?.tiles) ?? [...new Set(known?.tiles.flat())],
    mode: (file && facts?.mode) ?? null,
    coverage: (file && facts?.coverage) ?? null,
    status: file === undefined ? 'failed' : 'succeeded',
    bytes: file?.bytes ?? null,
    sha256: file?.sha256 ?? null,
    warnings: (file && facts?.warnings) ?? [],
    problem: file !== undefined || problem === null ? null : { code: problem.code, detail: problem.detail },
  };
}

const columns = [
  'row',
  'set',
  'id',
  'ra',
  'dec',
  'survey',
  'size',
  'format',
  'bands',
  'file',
  'tiles',
  'mode',
  'coverage',
  'status',
  'bytes',
  'sha256',
  'warnings',
  'problem',
  'detail',
] as const;

/** CSV (RFC 4180). Text can start no formula in a spreadsheet. */
async function* csv(results: AsyncIterable<CutoutResult>): AsyncGenerator<string> {
  yield csvLine(columns);
  for await (const result of results) {
    const { problem, tiles, warnings } = result;
    const told = {
      ...result,
      tiles: tiles.join(' '),
      warnings: warnings.join(' '),
      problem: problem?.code ?? null,
      detail: problem?.detail ?? null,
    };
    yield csvLine(columns.map((column) => told[column]));
  }
}

/** A JSON array, a row a line. */
async function* json(results: AsyncIterable<CutoutResult>): AsyncGenerator<string> {
  let before = '[\n';
  for await (const result of results) {
    yield before + JSON.stringify(result);
    before = ',\n';
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}

const written = {
  json: { lines: json, contentType: 'application/json' },
  csv: { lines: csv, contentType: 'text/csv' },
} as const;

/** Both manifests, written as they are read from the ledger. */
export function publishedManifests(
  db: Db,
  { jobId, sets }: { readonly jobId: string; readonly sets: readonly CutoutTemplate[] },
): StreamedObject[] {
  let order: Promise<Uint32Array> | undefined;
  async function* results(): AsyncGenerator<CutoutResult> {
    order ??= inListOrder(db, jobId);
    const ordinals = await order;
    for (let from = 0; from < ordinals.length; from += rowsAtOnce) {
      const some = [...ordinals.subarray(from, from + rowsAtOnce)];
      const items = new Map((await itemsAt(db, jobId, some)).map((item) => [item.ordinal, item]));
      for (const ordinal of some) {
        const item = items.get(ordinal);
        if (item !== undefined) yield resultOf(item, sets);
      }
    }
  }
  return (['json', 'csv'] as const).map((format) => {
    const path = `manifest.${format}`;
    const { lines, contentType } = written[format];
    return { key: `cutouts/${jobId}/${path}`, path, pieces: inChunks(lines(results())), contentType };
  });
}
