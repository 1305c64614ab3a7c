/** The time code that a source tells of itself: a track or tag of the container, or the groups of pictures of MPEG-1 and MPEG-2. */
import { AV_NOPTS_VALUE } from 'node-av/constants';
import { type Dictionary, Packet } from 'node-av/lib';
import { frameAt, parseTimecode, shiftTimecode, timecode, timecodeRate } from '../../summary/timecode.ts';
import type { Container } from './container.ts';

/**
 * Time code of second 0 of the video, `;` before the frames where its numbers are dropped; undefined where the source tells none, or one
 * that its rate does not have. Told by the video stream, the container, or another stream (the time code track of MOV and MP4).
 */
export function startTimecode(
  { stream, format, start, unit }: Container,
  group?: string,
): string | undefined {
  const told = [stream, format, ...format.streams].map(({ metadata }) => tagOf(metadata));
  const text = told.find((tag) => tag !== undefined) ?? group;
  if (text === undefined) return undefined;
  const { avgFrameRate, rFrameRate } = stream;
  const { num, den } = avgFrameRate.num > 0 ? avgFrameRate : rFrameRate;
  const rate = timecodeRate(den === 0 ? null : num / den);
  const parsed = parseTimecode(text, rate);
  if (parsed === undefined) return undefined;
  // It is that of the first picture, and sound may begin before it.
  const first = stream.startTime === AV_NOPTS_VALUE ? 0 : Number(stream.startTime) * unit - start;
  const frame = shiftTimecode(parsed.frame, -frameAt(first, rate), parsed.rate);
  return timecode(frame, parsed.rate);
}

const tagOf = (tags: Dictionary | null): string | undefined =>
  Object.entries(tags?.getAll() ?? {}).find(([name]) => name.toLowerCase() === 'timecode')?.[1];

const GROUP_START = Buffer.from([0, 0, 1, 0xb8]);

/** Whether its pictures come in groups that tell their time: MPEG-1 and MPEG-2. */
export const countsGroups = ({ decoder: { name } }: Container): boolean =>
  name === 'mpeg2video' || name === 'mpeg1video';

/** The time code of the first group of pictures. Reads on in the container. */
export function timecodeOfGroup(container: Container): string | undefined {
  const packet = new Packet();
  packet.alloc();
  try {
    return container.read(packet) === 'packet' ? timecodeIn(packet.data ?? Buffer.alloc(0)) : undefined;
  } finally {
    packet.free();
  }
}

/**
 * ISO/IEC 13818-2, 6.2.2.6: behind the start code one bit that says that numbers are dropped, 5 bits hours, 6 minutes, 1 marker, 6 seconds,
 * 6 pictures. All zero is what encoders write that know of no time code.
 */
export function timecodeIn(bytes: Buffer): string | undefined {
  const at = bytes.indexOf(GROUP_START);
  if (at < 0 || at + 8 > bytes.length) return undefined;
  const bits = bytes.readUInt32BE(at + 4) >>> 7;
  const parts = [(bits >>> 19) & 31, (bits >>> 13) & 63, (bits >>> 6) & 63, bits & 63];
  if (parts.every((part) => part === 0)) return undefined;
  const [hours, minutes, seconds, pictures] = parts.map((part) => String(part).padStart(2, '0'));
  return `${hours}:${minutes}:${seconds}${bits >>> 24 === 1 ? ';' : ':'}${pictures}`;
}
