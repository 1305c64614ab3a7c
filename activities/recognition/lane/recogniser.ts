/** Recognition as whoever holds credentials calls it: in lanes, which are opened when they are needed. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import { type Holding, type LaneBuild, LaneEnded, LanePool, openLane } from '@darkroom/lane';
import { type Config, releaseMemory } from '@darkroom/platform';
import type { AnalyseOptions, Analysis } from '../analyse.ts';
import type { FrameAnalysis } from '../analyse-frame.ts';
import { defaultModelPath } from '../model/card/card.ts';
import type { Understanding } from '../model/understanding/understand.ts';
import type { Size } from '../picture/fit.ts';
import type { Stage } from '../stages.ts';
import { recognitionShape } from './shape.ts';

export type RecogniserConfig = Pick<Config, 'recognition' | 'lane'>;

export interface RecogniseOptions extends Omit<AnalyseOptions, 'decodeForeign'> {
  /** The version that the picture is to be recognised with. */
  readonly model: ModelIdentity;
  /** Called, and waited for, as each stage begins in process `pid`; what it throws ends the analysis. */
  readonly onStage?: (stage: Stage, pid: number) => void | Promise<void>;
}

export interface FramePictures {
  /** For messages. */
  readonly name: string;
  /** PNG of the size that `fit` lays a picture of `size` into the model's input with. */
  readonly input: Buffer;
  /** Of the full picture, pixels. */
  readonly size: Size;
  /** JPEG at full size, where it is to be drawn into. */
  readonly picture?: Buffer;
}

export interface Recogniser {
  /** Processes of its lanes. */
  readonly pids: readonly number[];
  /** The model as it is understood now. Throws `unsupported_model` with what to do. */
  model(): Promise<Understanding>;
  /**
   * As `analyse`, and takes the bytes along. Throws what that throws, besides `poisonous_item`, `item_timeout`, `memory_limit` for a file that ends
   * its lane when it is alone there; `unsupported_model` where another version of the model lies on the disk by now.
   */
  photo(
    photo: { readonly name: string; readonly bytes: Buffer },
    options: RecogniseOptions,
  ): Promise<Analysis>;
  /** As `analyseFrame`, and as `photo`. */
  frame(frame: FramePictures, options: RecogniseOptions): Promise<FrameAnalysis>;
  /** Ends the lanes. */
  close(): Promise<void>;
}

/** Pictures that a lane has in hand: one is inferred, one is decoded, one is drawn into. */
const inHand = 3;
/** Pictures after which a lane is followed by another: what a library leaks with each is given back. */
const mostItems = 2000;
/** Above what a lane has at rest with a large model: memory full of holes. */
const restingShare = 0.6;
const idleSeconds = 600;

/** `foreign` is the URL of a module for files that libvips does not read (`ForeignModule`); without it, HEIC is refused. */
export function openRecogniser(config: RecogniserConfig, foreign?: string): Recogniser {
  const { lanes, memoryBytes, seconds, ...model } = config.recognition;
  const pool = new LanePool({
    open: async () => openLane(await buildOf(config), { model, ...(foreign !== undefined && { foreign }) }),
    lanes,
    inHand,
    itemSeconds: seconds,
    memoryVariable: 'RECOGNITION_MEMORY_BYTES',
    mostItems,
    mostBytes: restingShare * memoryBytes,
    idleSeconds,
    key: ({ identity, ...rest }: Understanding) => JSON.stringify([identity.digest, rest]),
  });
  const ask = <R>(asked: Promise<R>): Promise<R> =>
    asked.catch((error: unknown) => {
      throw error instanceof LaneEnded
        ? new ProblemError('unsupported_model', `No process could be opened for the model: ${error.message}`)
        : error;
    });
  const optionsOf = ({ model: wanted, signal, onStage }: RecogniseOptions) => ({
    ...(signal && { signal }),
    ...(onStage && { onStage }),
    check: ({ identity }: Understanding) => requireSame(wanted, identity),
  });
  const paramsOf = ({ model: _, signal: __, onStage: ___, ...params }: RecogniseOptions) => params;
  return {
    get pids() {
      return pool.pids;
    },
    model: () => ask(pool.told()),
    async photo({ name, bytes }, options) {
      const item = { name, params: paramsOf(options), bodies: [bytes] };
      const { result, bodies } = await ask(pool.ask('photo', item, optionsOf(options)));
      releaseMemory(bytes);
      return { ...result, model: options.model, ...annotatedOf(bodies) };
    },
    async frame({ name, input, size, picture }, options) {
      const item = {
        name,
        params: { ...paramsOf(options), size },
        bodies: picture === undefined ? [input] : [input, picture],
      };
      const { result, bodies } = await ask(pool.ask('frame', item, optionsOf(options)));
      for (const bytes of item.bodies) releaseMemory(bytes);
      return { ...result, model: options.model, ...annotatedOf(bodies) };
    },
    close: () => pool.close(),
  };
}

function annotatedOf([picture]: readonly Uint8Array[]): { annotated?: Buffer } {
  return picture === undefined
    ? {}
    : { annotated: Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength) };
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
  return {
    name: 'recognition',
    shape: recognitionShape,
    main: new URL('main.ts', import.meta.url),
    ...(await holdingOf(config)),
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
  const { modelPath, modelsDir, device } = recognition;
  return {
    reads: await filesOf(modelPath ?? defaultModelPath(modelsDir)),
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
