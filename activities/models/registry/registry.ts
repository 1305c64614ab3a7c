/** The versions that are registered: which any worker can open, of a file in the platform's bucket. */
import { type ModelIdentity, type ModelService, ProblemError } from '@darkroom/contract';
import { type Db, read, write } from '@darkroom/records';
import { and, asc, count, desc, eq, getTableColumns, or, sql } from 'drizzle-orm';
import { modelAliases, modelDefaults, registeredVersions } from '../schema.ts';
import { tellChange, told } from '../workers/told.ts';
import { noteChange } from './changes.ts';

export type RegisteredVersion = typeof registeredVersions.$inferSelect;

/** Which version of which model. */
export interface VersionName {
  readonly name: string;
  readonly version: string;
}

export interface NewVersion extends ModelIdentity {
  /** SHA-256 of the model file. */
  readonly sha256: string;
  readonly bytes: number;
  /** What the file is opened with. */
  readonly card: Record<string, unknown>;
  /** Key of the file in the platform's bucket. */
  readonly object: string;
  readonly serves: readonly ModelService[];
  /** The owner of the key; of a worker's own, the worker. */
  readonly by: string;
}

/** Where the file of a version lies in the platform's bucket: equal files once. */
export const modelObject = (sha256: string): string => `${modelsPrefix}${sha256}/model.onnx`;
export const modelsPrefix = 'models/';
/** Where a file lies until its SHA-256 is known; the sweep removes what is left here. */
export const incomingModelsPrefix = 'model-uploads/';

/**
 * What becomes of a registration: `absent` where the object is not there (any more), so that it is to be put and registered again. `isStored`
 * is asked while nobody removes the file; it must be quick.
 */
export type Registration =
  | { readonly outcome: 'registered' | 'same'; readonly row: RegisteredVersion }
  | { readonly outcome: 'absent' };

/** Registers a version as a candidate. The same again changes nothing, but has an object that is lost put again. Throws `model_version_exists` for another content. */
export const registerVersion = write(
  async (db: Db, wanted: NewVersion, isStored: () => Promise<boolean>): Promise<Registration> =>
    db.transaction(async (tx) => {
      await lockFile(tx, wanted.sha256);
      const known = await lockVersion(tx, wanted);
      const same = known && requireSame(known, wanted);
      if (!(await isStored())) return { outcome: 'absent' };
      if (same !== undefined) return { outcome: 'same', row: same };
      const { by, serves, ...given } = wanted;
      const [row] = await tx
        .insert(registeredVersions)
        .values({ ...given, serves: [...serves], registeredBy: by })
        .onConflictDoNothing()
        .returning();
      // Somebody registered another file under that name and version meanwhile.
      if (row === undefined)
        return { outcome: 'same', row: requireSame(await lockVersion(tx, wanted), wanted) };
      await noteChange(tx, { by, action: 'registered', name: row.name, version: row.version });
      return { outcome: 'registered', row };
    }),
);

/**
 * Registers what a worker was configured with and has opened, so that others can open it too; it is ready at once, and held as long as a worker
 * that has it as its own lives. The same again adds what it serves. Another file under the name and version of an own one takes its place.
 * Throws `model_version_exists` where the name and version belong to what somebody else registered, or an alias stands for what they were.
 */
export const registerOwn = write(
  async (db: Db, wanted: NewVersion, isStored: () => Promise<boolean>): Promise<Registration> =>
    db.transaction(async (tx) => {
      await lockFile(tx, wanted.sha256);
      const known = await lockVersion(tx, wanted);
      if (known !== undefined && (!known.own || (await aliasesOf(tx, known)).length > 0))
        requireSame(known, wanted);
      const { by, ...given } = wanted;
      const serves = [
        ...new Set([...(known?.digest === wanted.digest ? known.serves : []), ...wanted.serves]),
      ];
      if (!(await isStored())) return { outcome: 'absent' };
      if (known?.digest === wanted.digest && known.state === 'ready' && serves.length === known.serves.length)
        return { outcome: 'same', row: known };
      const own = { ...given, serves, own: true, state: 'ready' as const, problem: null, registeredBy: by };
      const again = known?.digest === wanted.digest ? { serves, state: own.state, problem: null } : own;
      const [row] = await tx
        .insert(registeredVersions)
        .values(own)
        .onConflictDoUpdate({
          target: [registeredVersions.name, registeredVersions.version],
          set: { ...again, changedAt: sql`now()` },
          // Somebody may have registered another file under that name and version meanwhile.
          setWhere: sql`${registeredVersions.own} or ${registeredVersions.digest} = ${wanted.digest}`,
        })
        .returning();
      if (row === undefined)
        return { outcome: 'same', row: requireSame(await lockVersion(tx, wanted), wanted) };
      const { name, version } = row;
      if (known?.digest !== row.digest) await noteChange(tx, { by, action: 'registered', name, version });
      await tellChange(tx);
      return { outcome: 'registered', row };
    }),
);

/** A version without what it is opened with, which may be long. */
export type ListedVersion = Omit<RegisteredVersion, 'card'>;
const { card: _, ...listed } = getTableColumns(registeredVersions);

/** Versions by name, newest first. */
export const listVersions = read(
  async (db: Db, name?: string): Promise<ListedVersion[]> =>
    db
      .select(listed)
      .from(registeredVersions)
      .where(name === undefined ? undefined : eq(registeredVersions.name, name))
      .orderBy(
        asc(registeredVersions.name),
        desc(registeredVersions.registeredAt),
        desc(registeredVersions.version),
      ),
);

export const getVersion = read(
  async (db: Db, version: VersionName): Promise<RegisteredVersion | undefined> =>
    (await db.select().from(registeredVersions).where(isVersion(version)))[0],
);

/**
 * What a worker that serves `serves` holds open or tries: those that are wanted, those that a living worker has of its own, and candidates,
 * which are to be tried before anything else becomes of them ({@link claimTrial}).
 */
export const versionsToOpen = read(
  async (db: Db, serves: ModelService): Promise<ListedVersion[]> =>
    db
      .select(listed)
      .from(registeredVersions)
      .where(
        and(
          sql`${serves} = any(${registeredVersions.serves})`,
          or(
            eq(registeredVersions.state, 'candidate'),
            and(
              eq(registeredVersions.state, 'ready'),
              or(eq(registeredVersions.wanted, true), isOwnOfLiving(serves)),
            ),
          ),
        ),
      )
      .orderBy(asc(registeredVersions.name), desc(registeredVersions.registeredAt)),
);

const isOwnOfLiving = (serves?: ModelService) => sql`exists (
  select 1 from (${told}) told
  where told.own and told.digest = ${registeredVersions.digest} and told.name = ${registeredVersions.name}
    and told.version = ${registeredVersions.version}${serves === undefined ? sql`` : sql` and told.serves = ${serves}`})`;

/** Has workers hold it open; one that failed is tried again first. Throws `not_found`. */
export const loadVersion = write(
  async (db: Db, of: VersionName, by: string): Promise<RegisteredVersion> =>
    db.transaction(async (tx) => {
      const known = await requireVersion(tx, of);
      if (known.wanted) return known;
      const again = known.state === 'failed' && {
        state: 'candidate' as const,
        problem: null,
        trials: 0,
        tryUntil: null,
      };
      const row = await change(tx, of, { wanted: true, ...again });
      await noteChange(tx, { ...of, by, action: 'loaded' });
      return row;
    }),
);

/** Has workers let go of it, but those whose own it is. Throws `not_found`, and `model_in_use` where a name stands for it. */
export const unloadVersion = write(
  async (db: Db, of: VersionName, by: string): Promise<RegisteredVersion> =>
    db.transaction(async (tx) => {
      const known = await requireVersion(tx, of);
      if (!known.wanted) return known;
      await requireNoAlias(tx, of);
      await requireNotLast(tx, of);
      const row = await change(tx, of, { wanted: false });
      await noteChange(tx, { ...of, by, action: 'unloaded' });
      return row;
    }),
);

/**
 * Removes a version; its file may be removed then ({@link releaseFile}). Throws `not_found`, and `model_in_use` for one that is loaded, that a
 * name stands for, or that a living worker has of its own.
 */
export const removeVersion = write(
  async (db: Db, of: VersionName, by: string): Promise<RegisteredVersion> =>
    db.transaction(async (tx) => {
      const known = await requireVersion(tx, of);
      if (known.wanted) throw inUse(of, 'is loaded: unload it first');
      await requireNoAlias(tx, of);
      const [own] = await tx
        .select({ name: registeredVersions.name })
        .from(registeredVersions)
        .where(and(isVersion(of), isOwnOfLiving()));
      if (own !== undefined) throw inUse(of, 'is what a worker was configured with');
      await tx.delete(registeredVersions).where(isVersion(of));
      await noteChange(tx, { ...of, by, action: 'removed' });
      return known;
    }),
);

/**
 * Calls `remove` if no version has the file, and keeps who would register it from doing so meanwhile: `remove` must be quick. Whether it was
 * called.
 */
export const releaseFile = write(
  async (db: Db, sha256: string, remove: () => Promise<void>): Promise<boolean> =>
    db.transaction(async (tx) => {
      await lockFile(tx, sha256);
      const [users] = await tx
        .select({ count: count() })
        .from(registeredVersions)
        .where(eq(registeredVersions.sha256, sha256));
      if ((users?.count ?? 0) > 0) return false;
      await remove();
      return true;
    }),
);

export const isVersion = ({ name, version }: VersionName) =>
  and(eq(registeredVersions.name, name), eq(registeredVersions.version, version));

/** The row of a version, which nobody else changes until the transaction ends. Throws `not_found`. */
export async function requireVersion(tx: Db, of: VersionName): Promise<RegisteredVersion> {
  const row = await lockVersion(tx, of);
  if (row === undefined)
    throw new ProblemError('not_found', `There is no version ${of.version} of a model ${of.name}.`);
  return row;
}

async function lockVersion(tx: Db, of: VersionName): Promise<RegisteredVersion | undefined> {
  return (await tx.select().from(registeredVersions).where(isVersion(of)).for('update'))[0];
}

/** Writes it, and tells who listens. */
export async function change(
  tx: Db,
  of: VersionName,
  set: Partial<typeof registeredVersions.$inferInsert>,
): Promise<RegisteredVersion> {
  const [row] = await tx
    .update(registeredVersions)
    .set({ ...set, changedAt: sql`now()` })
    .where(isVersion(of))
    .returning();
  if (row === undefined)
    throw new ProblemError('not_found', `There is no version ${of.version} of a model ${of.name}.`);
  await tellChange(tx);
  return row;
}

/** Between asking for an object and writing that a version has it, or removing it, nobody else does either. */
const lockFile = (tx: Db, sha256: string) =>
  tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${sha256}, 720115020))`);

function requireSame(known: RegisteredVersion | undefined, wanted: ModelIdentity): RegisteredVersion {
  if (known?.digest === wanted.digest) return known;
  throw new ProblemError(
    'model_version_exists',
    `${wanted.name} ${wanted.version} is registered with another file or card (digest ${known?.digest}, not ${wanted.digest}).`,
  );
}

const inUse = ({ name, version }: VersionName, why: string): ProblemError =>
  new ProblemError('model_in_use', `${name} ${version} ${why}.`);

/** Names of aliases that stand for the version, for some requests at least. */
async function aliasesOf(tx: Db, { name, version }: VersionName): Promise<string[]> {
  const rows = await tx
    .select({ alias: modelAliases.alias })
    .from(modelAliases)
    .where(
      and(
        eq(modelAliases.name, name),
        or(eq(modelAliases.version, version), eq(modelAliases.canaryVersion, version)),
      ),
    );
  return rows.map(({ alias }) => alias);
}

/** Throws `model_in_use` where an alias stands for the version. */
async function requireNoAlias(tx: Db, of: VersionName): Promise<void> {
  const named = await aliasesOf(tx, of);
  if (named.length > 0) throw inUse(of, `is what ${named.map((alias) => `@${alias}`).join(', ')} stands for`);
}

/** Throws `model_in_use` for a version that is loaded where the default stands for its model, and nothing else of that is loaded or has an alias. */
async function requireNotLast(tx: Db, of: VersionName): Promise<void> {
  // Of two unloads at once the second waits here, and counts without what the first let go of.
  const [isDefault] = await tx
    .select()
    .from(modelDefaults)
    .where(eq(modelDefaults.name, of.name))
    .for('update');
  if (isDefault === undefined) return;
  const [alias] = await tx.select().from(modelAliases).where(eq(modelAliases.name, of.name)).limit(1);
  if (alias !== undefined) return;
  const others = await tx
    .select({ version: registeredVersions.version })
    .from(registeredVersions)
    .where(and(eq(registeredVersions.name, of.name), eq(registeredVersions.wanted, true)));
  if (others.every(({ version }) => version === of.version))
    throw inUse(of, `is the only one loaded of the model that default stands for (${isDefault.serves})`);
}
