/** Which version the option `model` of a request or a job means: `default`, `NAME`, `NAME@ALIAS` or `NAME@VERSION`. Pure. */
import { createHash } from 'node:crypto';
import { type ModelIdentity, type ModelService, ProblemError } from '@darkroom/contract';
import { PRODUCTION } from './names.ts';
import type { KnownVersion, ModelsNow, Open } from './now.ts';

export interface ResolvedModel {
  readonly model: ModelIdentity;
  /** Name by which it was chosen; null where the version was named, or no alias is set. */
  readonly alias: string | null;
  /** Whether it was chosen as the canary of that alias. */
  readonly canary: boolean;
  /** What living workers hold open of it. */
  readonly open: Open;
}

const closed: Open = { workers: 0, lanes: 0, own: 0 };

/**
 * The version that `asked` means; undefined for `default` where no model is known at all. `draw` gives a number from 0 to below 1, which decides
 * whether a canary gets it. Throws `unknown_model` for what nobody knows, `model_not_ready` for a version that is not loaded. What is meant may yet
 * be open nowhere: `open` says so.
 */
export function resolveModel(
  now: ModelsNow,
  serves: ModelService,
  asked: string,
  draw: () => number = Math.random,
): ResolvedModel | undefined {
  const versions = now.versions.filter(
    (one) => one.serves.includes(serves) || one.open[serves] !== undefined,
  );
  const ofService = { ...now, versions };
  const name = asked === 'default' ? defaultName(ofService, serves) : asked;
  if (name === undefined) return undefined;
  const found = byName(ofService, serves, name, draw) ?? byQualifier(ofService, serves, name, draw);
  if (found !== undefined) return found;
  const names = namesFor(now, serves).join(', ');
  throw new ProblemError(
    'unknown_model',
    `There is no model ${JSON.stringify(name)} for ${serves} here; there ${names === '' ? 'is none' : `are ${names}`} (and default).`,
  );
}

/** Names of models that are open or loaded for `serves`. */
export function namesFor(now: ModelsNow, serves: ModelService): string[] {
  return [...new Set(now.versions.filter(({ open }) => open[serves] !== undefined).map(({ name }) => name))];
}

/** What an operator has said, else what most workers were configured with, else any that is open. */
function defaultName(now: ModelsNow, serves: ModelService): string | undefined {
  const said = now.defaults[serves];
  if (said !== undefined) return said;
  const open = now.versions.filter((version) => version.open[serves] !== undefined);
  // Stable: of equally many, the first by name.
  return open.toSorted((a, b) => ownOf(b, serves) - ownOf(a, serves))[0]?.name;
}

/** How many workers were configured with it. */
const ownOf = ({ open }: KnownVersion, serves: ModelService): number => open[serves]?.own ?? 0;

function byName(
  now: ModelsNow,
  serves: ModelService,
  name: string,
  draw: () => number,
): ResolvedModel | undefined {
  const named = byAlias(now, serves, name, PRODUCTION, draw);
  if (named !== undefined) return named;
  const versions = now.versions.filter((version) => version.name === name);
  // A version that is loaded beside what workers were configured with gets nothing until a name stands for it. Stable: else the newest.
  const [open] = versions
    .filter((version) => version.open[serves] !== undefined)
    .toSorted((a, b) => ownOf(b, serves) - ownOf(a, serves));
  const meant = open ?? versions.find(({ state, wanted }) => wanted && state === 'ready');
  if (meant !== undefined) return chosen(meant, serves);
  const [newest] = versions;
  if (newest !== undefined) throw notReady(newest, serves);
  return undefined;
}

function byQualifier(
  now: ModelsNow,
  serves: ModelService,
  asked: string,
  draw: () => number,
): ResolvedModel | undefined {
  const at = asked.lastIndexOf('@');
  if (at < 1) return undefined;
  const [name, qualifier] = [asked.slice(0, at), asked.slice(at + 1)];
  return byAlias(now, serves, name, qualifier, draw) ?? byVersion(now, serves, name, qualifier);
}

function byAlias(
  now: ModelsNow,
  serves: ModelService,
  name: string,
  alias: string,
  draw: () => number,
): ResolvedModel | undefined {
  const found = now.aliases.find((one) => one.name === name && one.alias === alias);
  if (found === undefined) return undefined;
  const { canary } = found;
  // What is registered: a worker's own file under such a name and version, which is not, takes no alias over.
  const versions = now.versions.filter(({ state }) => state !== null);
  if (canary !== undefined && draw() < canary.share) {
    const drawn = versions.find(
      ({ version, open, ...one }) =>
        one.name === name && version === canary.version && open[serves] !== undefined,
    );
    // A canary that nobody has open any more costs nobody an answer.
    if (drawn !== undefined) return { ...chosen(drawn, serves), alias, canary: true };
  }
  const meant = byVersion({ ...now, versions }, serves, name, found.version);
  return meant && { ...meant, alias };
}

function byVersion(
  now: ModelsNow,
  serves: ModelService,
  name: string,
  version: string,
): ResolvedModel | undefined {
  const versions = now.versions.filter((one) => one.name === name && one.version === version);
  // A worker may have a file of its own under the name and version of another.
  const meant = versions.find(({ open }) => open[serves] !== undefined) ?? versions[0];
  if (meant === undefined) return undefined;
  if (meant.open[serves] === undefined && !(meant.wanted && meant.state === 'ready'))
    throw notReady(meant, serves);
  return chosen(meant, serves);
}

function chosen({ name, version, digest, open }: KnownVersion, serves: ModelService): ResolvedModel {
  return { model: { name, version, digest }, alias: null, canary: false, open: open[serves] ?? closed };
}

const notReady = ({ name, version, state, wanted }: KnownVersion, serves: ModelService): ProblemError =>
  new ProblemError(
    'model_not_ready',
    `${name} ${version} is ${wanted ? `not open for ${serves} yet (${state})` : `not loaded for ${serves} (${state})`}.`,
  );

/** A number from 0 to below 1 that is as good as drawn, and the same for the same text: whoever repeats a request draws nothing else. */
export const fractionOf = (text: string): number =>
  createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32;
