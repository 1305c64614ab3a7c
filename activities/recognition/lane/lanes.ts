/** The lanes of a model: how they are built, what they may read, how many there are. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import { type Holding, type LaneBuild, LaneEnded, LanePool, openLane } from '@darkroom/lane';
import type { Config } from '@darkroom/platform';
import { defaultModelPath } from '../model/card/card.ts';
import type { AnyUnderstanding } from '../model/understanding/understand.ts';
import type { Stage } from '../stages.ts';
import { recognitionShape } from './shape.ts';

export interface RecogniserConfig {
  readonly recognition: Omit<Config['recognition'], 'sharedPath'> &
    Partial<Pick<Config['recognition'], 'sharedPath'>>;
  readonly lane: Pick<Config['lane'], 'sandbox'> & Partial<Config['lane']>;
}

type Pool = LanePool<typeof recognitionShape>;

export interface RecognitionLanes extends Pick<Pool, 'pids' | 'told' | 'ask' | 'close'> {}

/** Of one picture. */
export interface AskOptions {
  /** The version that the picture is to be looked at with. */
  readonly model: ModelIdentity;
  /** Whose picture it is: where lanes are scarce, owners share them by time. */
  readonly owner?: string;
  readonly signal?: AbortSignal;
  /** Called, and waited for, as each stage begins in process `pid`; what it throws is the end of it. */
  readonly onStage?: (stage: Stage, pid: number) => void | Promise<void>;
}

export interface LanesOptions {
  /** URL of a module for files that libvips does not read (`ForeignModule`); without it, HEIC is refused. */
  readonly foreign?: string | undefined;
  /** Whether a classifier will do as well as a detector. */
  readonly anyModel?: boolean;
}

/** Pictures that a lane has in hand: one is inferred, one is decoded, one is drawn into. */
const inHand = 3;
/** Pictures after which a lane is followed by another: what a library leaks with each is given back. */
const mostItems = 2000;
/** Above what a lane has at rest with a large model: memory full of holes. */
const restingShare = 0.6;
const idleSeconds = 600;

/** Opened as they are needed. What they throw where no process can be opened is `unsupported_model`, which may be tried again. */
export function openLanes(
  config: RecogniserConfig,
  { foreign, anyModel = false }: LanesOptions,
): RecognitionLanes {
  const { lanes, memoryBytes, seconds, sharedPath = false, ...model } = config.recognition;
  const detector = sharedPath ? 'detector or default' : 'detector';
  const setup = {
    model: { ...model, memoryBytes },
    wants: anyModel ? 'any' : detector,
    ...(foreign !== undefined && { foreign }),
  } as const;
  const pool: Pool = new LanePool({
    open: async () => openLane(await buildOf(config), setup),
    lanes,
    inHand,
    itemSeconds: seconds,
    memoryVariable: 'RECOGNITION_MEMORY_BYTES',
    mostItems,
    mostBytes: restingShare * memoryBytes,
    idleSeconds,
    key: ({ identity, ...rest }: AnyUnderstanding) => JSON.stringify([identity.digest, rest]),
  });
  return {
    get pids() {
      return pool.pids;
    },
    told: () => orUnsupported(pool.told()),
    ask: (task, item, options) => orUnsupported(pool.ask(task, item, options)),
    close: () => pool.close(),
  };
}

const orUnsupported = <R>(asked: Promise<R>): Promise<R> =>
  asked.catch((error: unknown) => {
    throw error instanceof LaneEnded
      ? new ProblemError('unsupported_model', `No process could be opened for the model: ${error.message}`)
      : error;
  });

/** What of that a pool is asked with: a lane that holds another version by now does not work on it. */
export function poolOptions({ model: wanted, owner, signal, onStage }: AskOptions) {
  return {
    ...(owner !== undefined && { owner }),
    ...(signal && { signal }),
    ...(onStage && { onStage }),
    check: ({ identity }: AnyUnderstanding) => requireSame(wanted, identity),
  };
}

function requireSame(wanted: ModelIdentity, has: ModelIdentity): void {
  if (wanted.digest === has.digest) return;
  throw new ProblemError(
    'unsupported_model',
    `The model was replaced meanwhile: ${wanted.name} ${wanted.version} by ${has.name} ${has.version}.`,
  );
}

async function buildOf(config: RecogniserConfig): Promise<LaneBuild<typeof recognitionShape>> {
  const { memoryBytes, seconds, device } = config.recognition;
  const { codeFolder } = config.lane;
  return {
    name: 'recognition',
    shape: recognitionShape,
    main: new URL('main.ts', import.meta.url),
    ...(await holdingOf(config)),
    ...(codeFolder !== undefined && { codeFolder }),
    memoryBytes,
    // The loop of events stands still while a model runs.
    stallSeconds: seconds,
    environment: {
      ORT_DISABLE_TELEMETRY: '1',
      // By default glibc gives each of a process' many threads a heap of its own, and keeps what was large and is free for the next.
      MALLOC_ARENA_MAX: '2',
      MALLOC_MMAP_THRESHOLD_: '4194304',
      ...(device === 'cuda' && ofCuda(process.env)),
    },
  };
}

/** What the lanes are held by goes by this: with a GPU by nothing, as its driver opens devices, to write to them as well. */
export async function holdingOf({ recognition, lane: { sandbox } }: RecogniserConfig): Promise<Holding> {
  const { modelPath, modelsDir, device, sharedPath = false } = recognition;
  const standIn = sharedPath ? [defaultModelPath(modelsDir)] : [];
  const paths = [modelPath ?? defaultModelPath(modelsDir), ...standIn];
  return {
    reads: (await Promise.all(paths.map(filesOf))).flat(),
    sandbox: device === 'cuda' && sandbox === 'auto' ? 'off' : sandbox,
  };
}

/** A model's file, its card, and what else of it lies beside it under its name (weights of a large one). */
async function filesOf(path: string): Promise<string[]> {
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
