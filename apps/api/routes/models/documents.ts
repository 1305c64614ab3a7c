/** Models as they are told of: what is registered, what workers have opened of it, and the names that stand for it. */
import {
  type Model,
  type ModelAlias,
  type ModelIdentity,
  type ModelService,
  type ModelVersion,
  type ModelVersionDetail,
  modelKey,
  type OpenedModel,
  ProblemError,
  type ProblemRecord,
} from '@darkroom/contract';
import {
  type AliasRow,
  confirmationsOf,
  getVersion,
  type KnownVersion,
  type ListedVersion,
  listAliases,
  listVersions,
  type ModelsNow,
  modelsNow,
  resolveModel,
  targetOf,
  understoodModels,
} from '@darkroom/models';
import type { Db } from '@darkroom/records';
import { z } from '@hono/zod-openapi';
import { seesEverything } from '../../authorize.ts';
import type { Actor } from '../../context.ts';

const services: readonly ModelService[] = ['recognition', 'predictions'];

const param = (name: string, description: string, example: string) =>
  z
    .string()
    .min(1)
    .max(200)
    .meta({ description, example, param: { name, in: 'path' } });
export const nameParam = z.object({ name: param('name', 'Name of the model.', 'birds') });
export const versionParam = nameParam.extend({ version: param('version', 'The version.', '2') });

/** All models, or one, each with its versions, the newest first. */
export async function modelDocuments(db: Db, name?: string): Promise<Model[]> {
  const [now, registered, aliases] = await Promise.all([
    modelsNow(db),
    listVersions(db, name),
    listAliases(db, name),
  ]);
  const versions = now.versions.filter((one) => name === undefined || one.name === name);
  const understood = await understoodModels(
    db,
    versions.map(({ digest }) => digest),
  );
  const [rows, read] = [byIdentity(registered), byIdentity(understood)];
  const models = Map.groupBy(versions, (one) => one.name);
  return [...models].map(([ofName, known]) => ({
    name: ofName,
    versions: known.map((one) => versionDocument(now, one, rows.get(modelKey(one)), read.get(modelKey(one)))),
    aliases: aliases.filter((alias) => alias.name === ofName).map(aliasDocument),
  }));
}

/** A version with all that is known of it; hosts and processes of workers are for operators alone. Throws `not_found`. */
export async function versionDetail(
  db: Db,
  wanted: { readonly name: string; readonly version: string },
  reader: Actor,
): Promise<ModelVersionDetail> {
  const isOperator = seesEverything(reader);
  const [now, registered, confirmations] = await Promise.all([
    modelsNow(db),
    getVersion(db, wanted),
    confirmationsOf(db, wanted),
  ]);
  const known = now.versions.find(({ name, version }) => name === wanted.name && version === wanted.version);
  if (known === undefined)
    throw new ProblemError('not_found', `There is no version ${wanted.version} of a model ${wanted.name}.`);
  const row = registered !== undefined && isSame(known)(registered) ? registered : undefined;
  const understood = await understoodModels(db, [known.digest]);
  return {
    name: known.name,
    ...versionDocument(now, known, row, understood.find(isSame(known))),
    card: row?.card ?? null,
    bytes: row?.bytes ?? null,
    sha256: row?.sha256 ?? null,
    registeredBy: row === undefined || (row.own && !isOperator) ? null : row.registeredBy,
    confirmations: confirmations.map(({ worker, serves, state, lanes, problem, seenAt }) => ({
      worker: isOperator ? worker : null,
      serves,
      state,
      lanes,
      problem,
      seenAt: seenAt.toISOString(),
    })),
  };
}

export function aliasDocument(row: AliasRow): ModelAlias {
  const { name, alias, previous, changedBy, changedAt } = row;
  return {
    name,
    alias,
    ...withCanary(targetOf(row)),
    previous: previous && withCanary(previous),
    changedBy,
    changedAt: changedAt.toISOString(),
  };
}

/** With null where there is none, as documents have it. */
export const withCanary = ({ version, canary }: ReturnType<typeof targetOf>) => ({
  version,
  canary: canary ?? null,
});

const byIdentity = <T extends ModelIdentity>(all: readonly T[]): ReadonlyMap<string, T> =>
  new Map(all.map((one) => [modelKey(one), one]));
const isSame =
  (a: ModelIdentity) =>
  (b: ModelIdentity): boolean =>
    modelKey(a) === modelKey(b);

function versionDocument(
  now: ModelsNow,
  known: KnownVersion,
  row: ListedVersion | undefined,
  understood: OpenedModel | undefined,
): ModelVersion {
  const { name: _, version: __, digest: ___, ...how } = understood ?? {};
  const problem: ProblemRecord | null = row?.problem ?? null;
  return {
    version: known.version,
    digest: known.digest,
    state: known.state ?? 'ready',
    wanted: known.wanted,
    serves: [...known.serves],
    aliases: aliasesOf(now, known),
    workers: Math.max(0, ...services.map((service) => known.open[service]?.workers ?? 0)),
    problem,
    registeredAt: row?.registeredAt.toISOString() ?? null,
    ...how,
  };
}

function aliasesOf(now: ModelsNow, known: KnownVersion): string[] {
  const own = now.aliases.filter(
    ({ name, version, canary }) => name === known.name && [version, canary?.version].includes(known.version),
  );
  // A default that cannot be had is nobody's.
  const isDefault = services.some((serves) => {
    try {
      const found = resolveModel(now, serves, 'default', () => 1);
      return found !== undefined && isSame(found.model)(known);
    } catch {
      return false;
    }
  });
  return [...(isDefault ? ['default'] : []), ...own.map(({ alias }) => alias)];
}
