/**
 * Archives as whoever holds credentials has them unpacked: in a process that has none, which reads the archive through its parent and gives the
 * pictures in it. Their bytes are strangers', and so is what says where they lie and how they are packed.
 */
import { ProblemError } from '@darkroom/contract';
import type { ArchiveFormat } from '@darkroom/contract/jobs/list.ts';
import { LaneEnded, laneBuild, openLane, type RangeSource } from '@darkroom/lane';
import { blamed } from '@darkroom/lane/pool/blame.ts';
import type { Config } from '@darkroom/platform';
import type { ArchiveLimits } from './gate.ts';
import type { ArchiveEntry, From } from './read.ts';
import { archiveShape } from './shape.ts';

export interface Unpacking {
  /** For messages. */
  readonly name: string;
  readonly source: RangeSource;
  readonly format: ArchiveFormat;
  readonly limits: ArchiveLimits;
  readonly lane: Pick<Config['lane'], 'sandbox'> & Partial<Config['lane']>;
  /** Processor priority as of `LaneBuild`. */
  readonly nice?: number;
  /** Entries before it are known already: those behind are given. */
  readonly from: From;
  readonly signal: AbortSignal;
}

/** What a process may take beside the pictures that it holds: itself, and digests of a million names. */
const besideBytes = 384 << 20;
const picturesHeld = 4;
/** Without a word, seconds; waiting for its parent does not count. */
const stallSeconds = 60;
/** Ends of the process at one entry before they are the archive's own fault. */
const mostDeaths = 3;

/**
 * Entries of an archive, as `readArchive` has them. Throws what that throws; ProblemError `poisonous_item`, `item_timeout`, `memory_limit` where its process
 * ends at one place each time; `outage` where none can be opened; what the source throws; the signal's reason.
 */
export async function* unpack(work: Unpacking): AsyncGenerator<ArchiveEntry, void, undefined> {
  let { after } = work.from;
  for (let deaths = 0; ; ) {
    try {
      for await (const entry of inLane(work, { ...work.from, after })) {
        yield entry;
        after = entry.number;
        deaths = 0;
      }
      return;
    } catch (error) {
      if (!(error instanceof LaneEnded) || work.signal.aborted) throw error;
      if (++deaths >= mostDeaths) throw blamed(work.name, error);
    }
  }
}

async function* inLane(
  { source, format, limits, lane: how, nice, signal }: Unpacking,
  { after, place: known }: From,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const names = known?.names ?? new Uint8Array();
  const build = laneBuild({
    name: 'unpacking',
    shape: archiveShape,
    main: new URL('main.ts', import.meta.url),
    memoryBytes: besideBytes + picturesHeld * limits.memberBytes,
    messageBytes: Math.max(limits.memberBytes, names.length) + (1 << 20),
    stallSeconds,
    ...how,
    ...(nice !== undefined && { nice }),
    // glibc gives what is large and free back, and keeps no heap for each thread.
    environment: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576' },
  });
  const lane = await openLane(build, {}, { signal }).catch((error: unknown) => {
    // Nothing of the archive was in it by then.
    if (!(error instanceof LaneEnded)) throw error;
    throw new ProblemError('outage', `No process could be opened to unpack in. ${error.message}`, {
      cause: error,
    });
  });
  try {
    const place = known && { offset: known.offset, members: known.members, numbered: known.numbered };
    const params = { format, size: source.size, limits, after, place };
    const item = { params, bodies: [names], source };
    for await (const answer of lane.run('unpack', [item], { signal })) {
      if (answer.type === 'failed') throw answer.error;
      if (answer.type !== 'event') continue;
      const { event, bodies } = answer;
      const { number, name, place } = event;
      if (event.type === 'refused') yield { number, name, place, problem: event.problem };
      else yield { number, name, place, body: bodyOf(bodies) };
    }
  } finally {
    await lane.close();
  }
}

function bodyOf([body]: readonly Uint8Array[]): Buffer {
  if (body === undefined) throw new TypeError('A picture comes with its bytes.');
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
