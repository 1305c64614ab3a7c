/** What is to be said of a crowd's answers. */
import type { Records } from '@darkroom/records';
import type { Asked } from './crowd.ts';
import type { Replaced } from './house.ts';

export interface Verdict {
  readonly asked: number;
  readonly left: number;
  readonly corrupt: number;
  /** Of pictures, whose client stayed: those that were to be answered. */
  readonly good: number;
  readonly answered: number;
  /** Requests in flight at an API that was killed. */
  readonly lostWithApi: number;
  /** What must not be, in words. */
  readonly faults: readonly string[];
  /** How often requests that were to be answered came to what else, by status and code. */
  readonly others: Readonly<Record<string, number>>;
}

/** `killed`: when an API was told to die, and how long that took; what was in flight then may be lost with it. */
export async function judge(
  all: readonly Asked[],
  records: Pick<Records, 'sql'>,
  killed: readonly Pick<Replaced, 'told' | 'endedMs'>[] = [],
): Promise<Verdict> {
  const stayed = all.filter(({ status, broken }) => status !== undefined || broken !== undefined);
  const isLost = ({ lost, began, ended }: Asked): boolean =>
    lost !== undefined &&
    killed.some(({ told, endedMs }) => began <= told + endedMs + graceMs && told <= ended);
  const [lost, rest] = [stayed.filter(isLost), stayed.filter((one) => !isLost(one))];
  const corrupt = rest.filter(({ picture }) => picture.answer === undefined);
  const good = rest.filter(({ picture }) => picture.answer !== undefined);
  const answered = good.filter(({ status }) => status === 200);
  const swapped = answered.filter(({ picture, answer }) => picture.answer !== answer);
  const broken = rest.filter((one) => one.broken !== undefined);
  const misjudged = corrupt.filter(({ status = 0 }) => status === 200);
  const faults = [
    ...swapped.map(({ id, picture }) => `prediction ${id} of ${picture.name} has another one's answer`),
    ...misjudged.map(({ id, picture }) => `prediction ${id} of ${picture.name}, which is none, was answered`),
    ...broken.map(({ picture, broken }) => `the connection of ${picture.name} ended: ${broken}`),
    ...(await faultsOfRows(answered, records)),
  ];
  return {
    asked: all.length,
    left: all.length - stayed.length,
    corrupt: corrupt.length,
    good: good.length,
    answered: answered.length,
    lostWithApi: lost.length,
    faults,
    others: tally([...good.filter(({ status }) => status !== 200), ...corrupt.filter(isOurs)]),
  };
}

/** The process' end and that of its connections are not seen at one moment. */
const graceMs = 50;

const isOurs = ({ status = 0 }: Asked): boolean => status >= 500;

const tally = (of: readonly Asked[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status, code, broken } of of) {
    const what = broken ?? `${status} ${code ?? ''}`;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
};

/** Of each acknowledged id there is one row, that says what was answered; and no id has two. */
async function faultsOfRows(answered: readonly Asked[], { sql }: Pick<Records, 'sql'>): Promise<string[]> {
  const ids = answered.flatMap(({ id }) => id ?? []);
  const faults: string[] = [];
  if (new Set(ids).size < answered.length) faults.push('an id was given to two requests, or to none');
  const rows = await sql<{ id: string; result: number }>`
    select id, result from predictions where state = 'succeeded' and id = any(${ids})`;
  const results = new Map(rows.map(({ id, result }) => [Number(id), result]));
  for (const { id = 0, answer = '[]' } of answered)
    if (results.get(id) !== (JSON.parse(answer) as unknown[])[0])
      faults.push(`prediction ${id} was answered ${answer}, and is recorded as ${results.get(id)}`);
  const twice = await sql<{ id: string }>`select id from predictions group by id having count(*) > 1`;
  faults.push(...twice.map(({ id }) => `prediction ${id} has more than one row`));
  return faults;
}

/** Milliseconds from each of these moments to the answers of those that were in flight then. */
export function waitsAfter(all: readonly Asked[], moments: readonly number[]): number[] {
  return moments.flatMap((at) =>
    all.flatMap(({ began, ended, status }) => (status === 200 && began < at && at < ended ? ended - at : [])),
  );
}
