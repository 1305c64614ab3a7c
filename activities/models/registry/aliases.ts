/** Names that stand for a version of a model: switched at once, and back again. */
import { type ModelService, ProblemError, type ProblemRecord } from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, asc, eq, sql } from 'drizzle-orm';
import { type AliasTarget, modelAliases, modelDefaults, registeredVersions } from '../schema.ts';
import { living, told } from '../workers/told.ts';
import { noteChange } from './changes.ts';
import { change, type RegisteredVersion, requireVersion } from './registry.ts';

export type AliasRow = typeof modelAliases.$inferSelect;

/** Which alias of which model. */
export interface AliasName {
  readonly name: string;
  readonly alias: string;
}

/** What it stands for. */
export const targetOf = ({ version, canaryVersion, canaryShare }: AliasRow): AliasTarget =>
  canaryVersion === null || canaryShare === null
    ? { version }
    : { version, canary: { version: canaryVersion, share: canaryShare } };

/**
 * Has the alias stand for `target`, from the commit on; what it stood for is kept for {@link rollBackAlias}. The same again changes nothing. Its
 * versions are wanted from then on. Throws `not_found` for a version that is not registered, `model_not_ready` unless every living worker that it
 * serves has opened it; with `force`, that some living worker has is enough.
 */
export const setAlias = write(
  async (
    db: Db,
    of: AliasName,
    target: AliasTarget,
    by: string,
    { force = false }: { readonly force?: boolean } = {},
  ): Promise<AliasRow> =>
    db.transaction(async (tx) => {
      const known = await lockAlias(tx, of);
      if (isSame(known, target)) return known;
      return put(tx, of, target, { known, by, action: 'alias_set', openBy: force ? 'some' : 'every' });
    }),
);

/**
 * Has the alias stand for what it stood for before the last change; again, for what it stood for now. With `from` only where it stands for that
 * version, so that a repeated call changes nothing. That some living worker has opened it is enough: the way back is open while others are not up.
 * Throws as {@link setAlias}, and `conflict` where there is nothing to go back to, or `from` does not hold.
 */
export const rollBackAlias = write(
  async (db: Db, of: AliasName, by: string, from?: string): Promise<AliasRow> =>
    db.transaction(async (tx) => {
      const known = await lockAlias(tx, of);
      if (known === undefined) throw noAlias(of);
      if (from !== undefined && known.version !== from)
        throw new ProblemError(
          'conflict',
          `@${of.alias} of ${of.name} stands for ${known.version}, not ${from}: it may have been rolled back already.`,
        );
      if (known.previous === null)
        throw new ProblemError('conflict', `@${of.alias} of ${of.name} has stood for nothing else.`);
      return put(tx, of, known.previous, { known, by, action: 'alias_rolled_back', openBy: 'some' });
    }),
);

/** Throws `not_found`. */
export const removeAlias = write(
  async (db: Db, of: AliasName, by: string): Promise<void> =>
    db.transaction(async (tx) => {
      const gone = await tx.delete(modelAliases).where(isAlias(of)).returning();
      if (gone.length === 0) throw noAlias(of);
      await noteChange(tx, { ...of, by, action: 'alias_removed' });
    }),
);

export const listAliases = read(
  async (db: Db, name?: string): Promise<AliasRow[]> =>
    db
      .select()
      .from(modelAliases)
      .where(name === undefined ? undefined : eq(modelAliases.name, name))
      .orderBy(asc(modelAliases.name), asc(modelAliases.alias)),
);

/** Throws `not_found`. */
export const getAlias = read(async (db: Db, of: AliasName): Promise<AliasRow> => {
  const [row] = await db.select().from(modelAliases).where(isAlias(of));
  if (row === undefined) throw noAlias(of);
  return row;
});

/** Has `default` stand for a model, for `serves`. Throws `not_found`, and `model_not_ready` where no version of it is loaded for that. */
export const setDefault = write(
  async (db: Db, serves: ModelService, name: string, by: string): Promise<void> =>
    db.transaction(async (tx) => {
      const versions = await tx
        .select()
        .from(registeredVersions)
        .where(eq(registeredVersions.name, name))
        .for('share');
      if (versions.length === 0) throw new ProblemError('not_found', `There is no model ${name}.`);
      const { rows } = await tx.execute(
        sql`select 1 from (${told}) told where state = 'ready' and serves = ${serves} and name = ${name} limit 1`,
      );
      if (rows.length === 0)
        throw new ProblemError(
          'model_not_ready',
          `No living worker has a version of ${name} open for ${serves}.`,
        );
      const row = { name, changedBy: by, changedAt: sql`now()` };
      await tx
        .insert(modelDefaults)
        .values({ serves, ...row })
        .onConflictDoUpdate({ target: modelDefaults.serves, set: row });
      await noteChange(tx, { name, by, action: 'default_set' });
    }),
);

/** `default` is what workers were configured with again; where nobody has said otherwise, nothing changes. */
export const removeDefault = write(
  async (db: Db, serves: ModelService, by: string): Promise<void> =>
    db.transaction(async (tx) => {
      const [gone] = await tx.delete(modelDefaults).where(eq(modelDefaults.serves, serves)).returning();
      if (gone !== undefined) await noteChange(tx, { name: gone.name, by, action: 'default_removed' });
    }),
);

const isAlias = ({ name, alias }: AliasName) =>
  and(eq(modelAliases.name, name), eq(modelAliases.alias, alias));
const noAlias = ({ name, alias }: AliasName): ProblemError =>
  new ProblemError('not_found', `There is no alias ${alias} of a model ${name}.`);

/** The row of an alias, which nobody else changes until the transaction ends, nor makes where there is none. */
async function lockAlias(tx: Db, of: AliasName): Promise<AliasRow | undefined> {
  await tx.execute(
    sql`select pg_advisory_xact_lock(hashtextextended(${`${of.name}@${of.alias}`}, 720115021))`,
  );
  return (await tx.select().from(modelAliases).where(isAlias(of)).for('update'))[0];
}

function isSame(known: AliasRow | undefined, target: AliasTarget): known is AliasRow {
  return (
    known !== undefined &&
    known.version === target.version &&
    known.canaryVersion === (target.canary?.version ?? null) &&
    known.canaryShare === (target.canary?.share ?? null)
  );
}

async function put(
  tx: Db,
  of: AliasName,
  target: AliasTarget,
  {
    known,
    by,
    action,
    openBy,
  }: {
    known: AliasRow | undefined;
    by: string;
    action: 'alias_set' | 'alias_rolled_back';
    openBy: OpenBy;
  },
): Promise<AliasRow> {
  // In one order, so that two at once do not wait for each other.
  const versions = [target.version, ...(target.canary === undefined ? [] : [target.canary.version])].sort();
  for (const version of versions) {
    const row = await requireVersion(tx, { name: of.name, version });
    await requireOpen(tx, row, openBy);
    if (!row.wanted) await change(tx, row, { wanted: true });
  }
  const set = {
    version: target.version,
    canaryVersion: target.canary?.version ?? null,
    canaryShare: target.canary?.share ?? null,
    previous: known === undefined ? null : targetOf(known),
    changedBy: by,
    changedAt: sql`now()`,
  };
  const [row] = await tx
    .insert(modelAliases)
    .values({ ...of, ...set })
    .onConflictDoUpdate({ target: [modelAliases.name, modelAliases.alias], set })
    .returning();
  if (row === undefined) throw new Error('An upsert returns its row.');
  await noteChange(tx, { ...of, version: target.version, by, action, target });
  return row;
}

/** Which of the living workers of what a version serves must have it open. */
type OpenBy = 'every' | 'some';

/** Throws `model_not_ready` with who has not, and why, unless the version was opened by every living worker of what it serves, one at least, or by some. */
async function requireOpen(tx: Db, row: RegisteredVersion, by: OpenBy): Promise<void> {
  const { name, version, digest } = row;
  const { rows } = await tx.execute<{
    worker: string;
    serves: string;
    open: boolean;
    problem: ProblemRecord | null;
  }>(sql`
    select worker, serves, exists (
      select 1 from (${told}) told where told.worker = living.worker and told.serves = living.serves
        and name = ${name} and version = ${version} and digest = ${digest} and state = 'ready') as open, (
      select problem from model_confirmations said where said.worker = living.worker and said.serves = living.serves
        and name = ${name} and version = ${version} and digest = ${digest} and state = 'failed') as problem
    from (${living}) living where serves = any(${sql.param(row.serves)}::text[]) order by worker`);
  const isOpen = rows.some(({ open }) => open);
  if (isOpen && (by === 'some' || rows.every(({ open }) => open))) return;
  const missing = rows
    .filter(({ open }) => !open)
    .slice(0, 5)
    .map(
      ({ worker, serves, problem }) =>
        `${worker} (${serves}${problem === null ? '' : `: ${problem.detail}`})`,
    );
  const why = row.problem === null ? '' : ` ${row.problem.detail}`;
  const wayOut = isOpen ? ' Others have it open: with `force` that is enough.' : '';
  throw new ProblemError(
    'model_not_ready',
    missing.length === 0
      ? `No living worker serves ${row.serves.join(' or ')}.`
      : `${name} ${version} (${row.state}${row.wanted ? '' : ', not loaded'}) is not open in ${missing.join(', ')}.${why}${wayOut}`,
  );
}
