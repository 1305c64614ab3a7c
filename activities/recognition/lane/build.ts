/** How lanes of recognition are built and held. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Holding, LaneBuild } from '@darkroom/lane';
import type { Config } from '@darkroom/platform';
import { defaultModelPath } from '../model/card/card.ts';
import { recognitionShape } from './shape.ts';

type OfModels = 'sharedPath' | 'lanesTogether';

export interface RecogniserConfig {
  readonly recognition: Omit<Config['recognition'], OfModels> &
    Partial<Pick<Config['recognition'], OfModels>>;
  readonly lane: Pick<Config['lane'], 'sandbox'> & Partial<Config['lane']>;
}

/**
 * How glibc holds the memory of a process that decodes pictures. By default it gives each of its many threads a heap of its own, and keeps what
 * was large and is free for the next. What a picture of a megapixel took is kept: given back, it would come page by page with the next one.
 */
export const pictureMemory = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '4194304',
  MALLOC_TRIM_THRESHOLD_: '67108864',
} as const;

/** Of lanes that hold the model whose file lies at `path`. */
export async function buildOf(
  config: RecogniserConfig,
  path: string,
): Promise<LaneBuild<typeof recognitionShape>> {
  const { memoryBytes, seconds, device } = config.recognition;
  const { codeFolder, nice } = config.lane;
  return {
    name: 'recognition',
    shape: recognitionShape,
    main: new URL('main.ts', import.meta.url),
    reads: await filesOf(path),
    sandbox: sandboxOf(config),
    ...(codeFolder !== undefined && { codeFolder }),
    ...(nice !== undefined && { nice }),
    memoryBytes,
    // The loop of events stands still while a model runs.
    stallSeconds: seconds,
    environment: {
      ORT_DISABLE_TELEMETRY: '1',
      ...pictureMemory,
      ...(device === 'cuda' && ofCuda(process.env)),
    },
  };
}

/** What lanes of the worker's own model are held by. */
export async function holdingOf(config: RecogniserConfig): Promise<Holding> {
  const reads = await Promise.all(ownPaths(config).map(filesOf));
  return { reads: reads.flat(), sandbox: sandboxOf(config) };
}

/** Where a worker's own model may lie, in the order they are looked at. */
export function ownPaths({ recognition }: RecogniserConfig): readonly string[] {
  const { modelPath, modelsDir, sharedPath = false } = recognition;
  const standIn = defaultModelPath(modelsDir);
  return modelPath === undefined ? [standIn] : sharedPath ? [modelPath, standIn] : [modelPath];
}

/** With a GPU by nothing, as its driver opens devices, to write to them as well. */
const sandboxOf = ({ recognition, lane: { sandbox } }: RecogniserConfig) =>
  recognition.device === 'cuda' && sandbox === 'auto' ? 'off' : sandbox;

/** A model's file, its card, and what else of it lies beside it under its name (weights of a large one). */
export async function filesOf(path: string): Promise<string[]> {
  const [folder, stem] = [dirname(path), basename(path, extname(path))];
  const names = await readdir(folder).catch((): string[] => []);
  return names
    .filter((name) => name === basename(path) || name.startsWith(`${stem}.`))
    .map((name) => join(folder, name));
}

/** Where the CUDA libraries are, and which of the devices. */
const ofCuda = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && /^(LD_LIBRARY_PATH$|CUDA_|NVIDIA_)/.test(name) ? [[name, value]] : [],
    ),
  );
