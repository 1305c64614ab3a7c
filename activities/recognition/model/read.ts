/** A model's file and what its card says, as they lie there. Nothing of it is run, so that processes with credentials may do this too. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import { defaultModelPath, type ModelCard } from './card/card.ts';
import { readCard } from './card/file.ts';
import { defaultClassifierPath, waysToClassifier } from './default-classifier.ts';
import { digestOfBoth, sha256Of } from './digest.ts';
import { foreignFolder, refuseForeignModel } from './foreign.ts';
import type { ModelFile } from './understanding/trial.ts';

export interface ModelPlace {
  /** The ONNX file, its card, if any, beside it; when undefined, the default detector in `modelsDir`. */
  readonly modelPath: string | undefined;
  readonly modelsDir: string;
  /** Which version it must be, and its card, which is not looked for beside it then. */
  readonly version?: ModelVersion | undefined;
}

/** A version, and what its file is opened with. */
export interface ModelVersion {
  readonly identity: ModelIdentity;
  readonly card: ModelCard;
}

export interface ReadModel extends ModelFile, ModelVersion {
  /** Of the file alone, hexadecimal. */
  readonly sha256: string;
}

/**
 * Reads it. Throws `unsupported_model` for what is not there, and for a file of another framework, with what to do; `source_changed` where it is
 * another version than it must be.
 */
export async function readModel(place: ModelPlace): Promise<ReadModel> {
  const path = pathOf(place);
  const bytes = await readFile(path).catch(async (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EISDIR') throw foreignFolder(path, await readdir(path));
    throw new ProblemError('unsupported_model', unreadable(place), { cause });
  });
  const { version } = place;
  const card = version?.card ?? (await readCard(path));
  const sha256 = await sha256Of(bytes);
  const digest = digestOfBoth(sha256, card);
  if (version !== undefined && version.identity.digest !== digest)
    throw new ProblemError('source_changed', `${path} is not ${version.identity.name} any more.`);
  refuseForeignModel(path, bytes);
  return { path, bytes, sha256, card, identity: version?.identity ?? identityOf(path, digest, card) };
}

/** By its card, else by its file. */
const identityOf = (path: string, digest: string, { name, version }: ModelCard): ModelIdentity => ({
  name: name ?? basename(path, extname(path)),
  version: version ?? digest.slice(0, 12),
  digest,
});

const pathOf = ({ modelPath, modelsDir }: ModelPlace): string => modelPath ?? defaultModelPath(modelsDir);

function unreadable(place: ModelPlace): string {
  const path = pathOf(place);
  return path === defaultClassifierPath(place.modelsDir)
    ? `The classifier ${path} is not there. ${waysToClassifier}`
    : `The model ${path} cannot be read. Set MODEL_PATH to an ONNX file, or make the default one with ` +
        '`node activities/recognition/converter/setup.ts DIR`.';
}
