/** What is found out of a video before its frames are read, some of it by looks into the file. */
import type { VideoInfo } from '@darkroom/contract';
import { Packet } from 'node-av/lib';
import type { ByteSource, VideoLimits } from '../reader.ts';
import { Container } from './container.ts';
import { showsInterlaced, toldInterlaced } from './scanning.ts';
import { countsGroups, startTimecode, timecodeOfGroup } from './start-timecode.ts';
import { describe, requireWithin } from './video-info.ts';

/** A clock that begins later than this, seconds, does not begin with the first picture. */
const LATE_SECONDS = 0.5;

export interface Surveyed {
  /** At its beginning. */
  readonly container: Container;
  readonly info: VideoInfo;
  /** Whether one clock runs through all of it, so that places can be gone to. */
  readonly steady: boolean;
}

/** Throws ProblemError as `openVideo` says. */
export function survey(source: ByteSource, limits: VideoLimits): Surveyed {
  let container = Container.open(source);
  /** Reads on in the container, which is opened anew afterwards. */
  const look = <T>(into: (container: Container) => T): T => {
    const found = into(container);
    container = container.reopened();
    return found;
  };
  try {
    const interlaced = toldInterlaced(container) ?? look((opened) => showsInterlaced(opened, limits.pixels));
    const steady = !container.restarts || look((opened) => opened.isSteady());
    const end = doubtsLength(container) ? look(endOf) : undefined;
    // Once of each container: tags that are handed out twice are freed twice (node-av 6.1.1).
    let timecode = startTimecode(container);
    if (timecode === undefined && countsGroups(container)) {
      const group = look(timecodeOfGroup);
      timecode = startTimecode(container, group);
    }
    const told = describe(container, source, interlaced, steady ? end : null);
    const info = { ...told, ...(timecode !== undefined && { timecode }) };
    requireWithin(info, container.stream, limits, !container.restarts);
    return { container, info, steady };
  } catch (error) {
    container.close();
    throw error;
  }
}

/** Whether a file does not say if its length is told from its first picture on. */
const doubtsLength = ({ format, start }: Container): boolean =>
  format.iformat?.name?.startsWith('matroska') === true && start >= LATE_SECONDS && format.duration > 0n;

/** Where the last picture ends, seconds. */
function endOf(container: Container): number | undefined {
  const packet = new Packet();
  packet.alloc();
  let end: number | undefined;
  container.seek(Number(container.format.duration) / 1e6);
  while (container.read(packet) === 'packet') {
    const at = container.seconds(Number(packet.pts) + Number(packet.duration));
    end = Math.max(end ?? at, at);
    packet.unref();
  }
  packet.free();
  return end;
}
