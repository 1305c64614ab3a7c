/** The parent's side of the decoder's process: a lane for one file, which is ended when that is done. */
import { ProblemError, type VideoInfo } from '@darkroom/contract';
import {
  type Lane,
  LaneEnded,
  type LaneItem,
  laneBuild,
  openLane,
  type RangeSource,
  type SandboxMode,
} from '@darkroom/lane';
import { blamed } from '@darkroom/lane/pool/blame.ts';
import type { VideoLimits } from '../decode/reader.ts';
import type { SplitCursor, SplitEvent, SplitRequest } from '../split/split.ts';
import { decoderShape } from './shape.ts';

export interface DecoderLimits extends VideoLimits {
  /** Resident memory of the process, bytes. */
  readonly memoryBytes: number;
  /** Seconds without a sign of life; waiting for bytes or for the reader of its answers does not count. */
  readonly stallSeconds: number;
  /** How much of a sandbox it must have; what there is when absent. */
  readonly sandbox?: SandboxMode;
  /** Where its compiled code is kept; nowhere when absent. */
  readonly codeFolder?: string;
  /** As of `LaneBuild`. */
  readonly nice?: number;
}

export interface ChildOptions {
  readonly limits: DecoderLimits;
  readonly signal: AbortSignal;
  /** Told when it is open. */
  readonly onChild?: (pid: number) => void;
  /** Milliseconds of a clock that never goes back; by default the system's. */
  readonly now?: () => number;
}

/** Of a probe, seconds without those spent waiting for bytes: they look at little of a file. */
const deadlineSeconds = 30;
/** Until a file is open, seconds of computing: some few bytes stand for work without end. */
const beginSeconds = 3;
/** glibc gives what is freed back to the system sooner, and sets no heap of its own aside for each of the decoder's threads. */
const environment = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '1048576' };
/** Of one message: a picture coded twice, and what is told of it. */
const messageBytes = ({ pixels }: VideoLimits): number => 3 * pixels + (64 << 20);

type DecoderLane = Lane<typeof decoderShape>;

/**
 * What a video says of itself. Throws ProblemError (codes: see `openVideo`; `memory_limit`, `item_timeout`; `outage` where no process can be opened), LaneDied,
 * LaneStalled, the signal's reason, what the source throws. The process is gone when this settles.
 */
export function probeVideo(source: RangeSource, options: ChildOptions): Promise<VideoInfo> {
  return inLane(options, async (lane) => {
    const item = { params: fileOf(source, options), source };
    const { result } = await lane.ask('probe', item, short(options));
    return result.info;
  });
}

/** Deaths of a decoder at one place before they are the file's own fault. */
export const mostDeaths = 3;

/**
 * `probeVideo` of the file called `name`, again where the process ends under it. Throws as that does, and, when it ends each time,
 * ProblemError `poisonous_item` or `item_timeout` with that name.
 */
export async function probeNamed(
  name: string,
  source: RangeSource,
  options: ChildOptions,
): Promise<VideoInfo> {
  for (let deaths = 1; ; deaths++) {
    try {
      return await probeVideo(source, options);
    } catch (error) {
      if (!(error instanceof LaneEnded) || options.signal.aborted) throw error;
      if (deaths >= mostDeaths) throw blamed(name, error);
    }
  }
}

/**
 * Scenes of a video from `cursor` on, or from its beginning. The process works ahead of whoever takes the events, within bounds.
 * Throws as `probeVideo`, and what `split` throws; returning early ends the process and waits until it is gone.
 */
export async function* splitVideo(
  source: RangeSource,
  { cursor, ...request }: SplitRequest & { readonly cursor?: SplitCursor },
  options: ChildOptions,
): AsyncGenerator<SplitEvent, void, undefined> {
  const params = { ...fileOf(source, options, request.candidateBytes), request, cursor };
  const item: LaneItem<(typeof decoderShape)['tasks']['split']> = { params, source };
  const lane = await openDecoder(options);
  try {
    for await (const answer of lane.run('split', [item], { signal: options.signal, beginSeconds })) {
      if (answer.type === 'failed') throw answer.error;
      if (answer.type === 'event') yield eventOf(answer.event, answer.bodies);
    }
  } finally {
    await lane.close();
  }
}

const short = ({ signal }: ChildOptions) => ({ signal, deadlineSeconds, beginSeconds });

const fileOf = (
  { size }: { readonly size: number },
  { limits: { pixels, seconds, memoryBytes } }: ChildOptions,
  keptBytes = 0,
) => ({ size, limits: { pixels, seconds, memoryBytes, keptBytes } });

async function openDecoder({ limits, signal, onChild, now }: ChildOptions): Promise<DecoderLane> {
  const { memoryBytes, stallSeconds, sandbox = 'auto', codeFolder, nice = 0 } = limits;
  const build = laneBuild({
    name: 'decoding',
    shape: decoderShape,
    main: new URL('child-main.ts', import.meta.url),
    memoryBytes,
    stallSeconds,
    sandbox,
    nice,
    ...(codeFolder !== undefined && { codeFolder }),
    messageBytes: messageBytes(limits),
    environment,
  });
  let lane: DecoderLane;
  try {
    lane = await openLane(build, {}, { signal, ...(now && { now }) });
  } catch (error) {
    // Nothing of the file was in it by then.
    if (!(error instanceof LaneEnded)) throw error;
    throw new ProblemError('outage', `No process could be opened to decode in. ${error.message}`, {
      cause: error,
    });
  }
  onChild?.(lane.pid);
  return lane;
}

async function inLane<R>(options: ChildOptions, work: (lane: DecoderLane) => Promise<R>): Promise<R> {
  const lane = await openDecoder(options);
  try {
    return await work(lane);
  } finally {
    await lane.close();
  }
}

type Told =
  | Exclude<SplitEvent, { type: 'scene' }>
  | Omit<Extract<SplitEvent, { type: 'scene' }>, 'image' | 'input'>;

function eventOf(told: Told, [image, input]: readonly Uint8Array[]): SplitEvent {
  if (told.type !== 'scene') return told;
  if (image === undefined || input === undefined) throw new TypeError('A scene comes with its two pictures.');
  return { ...told, image: bufferOf(image), input: bufferOf(input) };
}

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
