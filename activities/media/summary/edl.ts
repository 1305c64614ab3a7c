/** Scenes as an edit decision list in the format of CMX 3600, which editing programs read. */
import type { FoundScene } from './found-scene.ts';
import { frameAt, parseTimecode, type TimecodeRate, timecode, timecodeRate } from './timecode.ts';

export interface Clip {
  /** Name of the file as the user gave it. */
  readonly filename: string;
  readonly framesPerSecond: number | null;
  /** Of second 0, where the source has a time code of its own. */
  readonly timecode?: string | undefined;
}

interface Event {
  /** Frames of the video; `to` is the first that is no longer in it. */
  readonly from: number;
  readonly to: number;
  /** Frames that a dissolve or wipe lasts; 0 for a cut. */
  readonly lasts: number;
  /** Its code in the list. */
  readonly code: 'D' | 'W001';
}

/**
 * The list of all scenes, one event each: `C` for cuts, `D` with its length for dissolves and `W001` for wipes whatever their shape, which
 * begin where the transition begins. As both sides of it are the same video at the same time, a program that carries the list out shows the
 * video as it is. The source side is in the source's own time code, dropping
 * numbers or not as that does; without one it counts from zero, and drops where the rate has such a count. The record side begins at zero. The format counts to 999; events beyond get more digits, which today's programs read.
 */
export function edl(scenes: readonly Pick<FoundScene, 'scene'>[], clip: Clip): string {
  const counted = timecodeRate(clip.framesPerSecond);
  const own = clip.timecode === undefined ? undefined : parseTimecode(clip.timecode, counted);
  const { frame: origin, rate } = own ?? { frame: 0, rate: counted };
  const events = eventsOf(scenes, rate);
  const zero = events[0]?.from ?? 0;
  const name = oneLine(clip.filename);
  const lines = [`TITLE: ${name.slice(0, 70)}`, `FCM: ${rate.dropFrame ? 'DROP FRAME' : 'NON-DROP FRAME'}`];
  events.forEach(({ from, to, lasts, code }, index) => {
    const number = String(index + 1).padStart(3, '0');
    const line = (transition: string, first: number, last: number) => {
      const codes = [origin + first, origin + last, first - zero, last - zero].map((frame) =>
        timecode(frame, rate),
      );
      return `${number}  AX       V     ${transition.padEnd(8)} ${codes.join(' ')}`;
    };
    lines.push('');
    if (lasts === 0) {
      lines.push(line('C', from, to), `* FROM CLIP NAME: ${name}`);
      return;
    }
    // A transition is two lines: what it comes from, with no length of its own, and what it goes to.
    const length = String(lasts).padStart(3, '0');
    lines.push(line('C', from, from), line(`${code.padEnd(4)} ${length}`, from, to));
    lines.push(`* FROM CLIP NAME: ${name}`, `* TO CLIP NAME: ${name}`);
  });
  return `${lines.join('\n')}\n`;
}

/** Scenes that have no frame of their own at this rate, or none before the transition behind them, are left out. */
function eventsOf(scenes: readonly Pick<FoundScene, 'scene'>[], rate: TimecodeRate): Event[] {
  const events: Event[] = [];
  let to = frameAt(scenes.at(-1)?.scene.end ?? 0, rate);
  for (const { scene } of scenes.toReversed()) {
    const gradual = scene.begins === 'dissolve' || scene.begins === 'wipe' ? scene.transition : null;
    const from = frameAt(gradual?.from ?? scene.start, rate);
    if (from >= to) continue;
    const until = gradual === null ? from : Math.min(to, frameAt(gradual.to, rate));
    const code = scene.begins === 'wipe' ? 'W001' : 'D';
    events.push({ from, to, lasts: Math.max(0, until - from), code });
    to = from;
  }
  return events.reverse();
}

/** A line break in a name would begin a line of the list. */
const oneLine = (name: string): string => name.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
