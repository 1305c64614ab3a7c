/** For tests and benchmarks: what Postgres reads for a list of predictions. */
import type { Db } from '@darkroom/records';
import { sql } from 'drizzle-orm';
import { listQuery, type PredictionFilter } from './records.ts';

interface PlanNode {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Rows that are taken out of tables for a page, those that are read in vain among them. */
export async function rowsRead(db: Db, filter: PredictionFilter): Promise<number> {
  const { rows } = await db.execute<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(
    sql`explain (analyze, format json) ${listQuery(db, filter).getSQL()}`,
  );
  const [explained] = rows[0]?.['QUERY PLAN'] ?? [];
  return explained === undefined ? Number.NaN : readBy(explained.Plan);
}

/** Of the leaves of a plan. */
function readBy(node: PlanNode): number {
  if (node.Plans !== undefined) return node.Plans.reduce((sum, plan) => sum + readBy(plan), 0);
  return (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
}
