/**
 * Time code of film and television: hours, minutes, seconds, frames (SMPTE ST 12-1, formerly SMPTE 12M).
 *
 * At 29.97 and 59.94 frames a second time code counts 30 and 60, and would fall behind the clock by 3.6 s an hour. Drop-frame time code
 * leaves out *numbers* (never frames): the first two of each minute (four at 59.94), save each tenth minute.
 */

export interface TimecodeRate {
  /** Frames a second. */
  readonly framesPerSecond: number;
  /** What time code counts to in a second. */
  readonly nominal: number;
  readonly dropFrame: boolean;
}

const rate = (framesPerSecond: number, nominal: number, dropFrame = false): TimecodeRate => ({
  framesPerSecond,
  nominal,
  dropFrame,
});

/** The rates that have a time code. At 23.98 and 47.95 frames a second there is none that drops. */
const rates: readonly TimecodeRate[] = [
  rate(24_000 / 1001, 24),
  rate(24, 24),
  rate(25, 25),
  rate(30_000 / 1001, 30, true),
  rate(30, 30),
  rate(48_000 / 1001, 48),
  rate(48, 48),
  rate(50, 50),
  rate(60_000 / 1001, 60, true),
  rate(60, 60),
];

/** Neighbours of a rate differ by 1/1000; files state their rate more exactly than half of that. */
const tolerance = 0.0004;

/**
 * The time code of a video. Rates over 60 are halved until they have one. A rate that has none, as videos of variable rate state, is
 * counted in the nearest whole number of frames a second, 25 where nothing is stated: times are then right to half a frame of that.
 */
export function timecodeRate(framesPerSecond: number | null): TimecodeRate {
  if (framesPerSecond === null || !(framesPerSecond > 0)) return rate(25, 25);
  let wanted = framesPerSecond;
  while (wanted > 60 * (1 + tolerance)) wanted /= 2;
  const known = rates.find((one) => Math.abs(wanted / one.framesPerSecond - 1) < tolerance);
  const whole = Math.max(1, Math.round(wanted));
  return known ?? rate(whole, whole);
}

/** The frame that is shown at a time in seconds, counted from 0. */
export const frameAt = (seconds: number, { framesPerSecond }: TimecodeRate): number =>
  Math.max(0, Math.round(seconds * framesPerSecond));

/** Time code of a frame, counted from 0; `;` before the frames says that numbers are dropped. It begins again after 24 hours. */
export function timecode(frame: number, { nominal, dropFrame }: TimecodeRate): string {
  const number = (dropFrame ? frame + dropped(frame, nominal) : frame) % (24 * 3600 * nominal);
  const seconds = Math.floor(number / nominal);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two);
  return `${parts.join(':')}${dropFrame ? ';' : ':'}${two(number % nominal)}`;
}

/**
 * The frame of a time code, counted from 0, and the rate it counts in: `;`, `.` or `,` before the frames says that numbers are dropped, which
 * counts where the rate has such a count. A dropped number is taken as the next one. Undefined for what is no time code of the rate.
 */
export function parseTimecode(
  text: string,
  rate: TimecodeRate,
): { readonly frame: number; readonly rate: TimecodeRate } | undefined {
  const match = /^(\d{1,2}):(\d{2}):(\d{2})([:;.,])(\d{2,3})$/.exec(text.trim());
  if (match === null) return undefined;
  const [hours = 0, minutes = 0, seconds = 0, frames = 0] = [1, 2, 3, 5].map((n) => Number(match[n]));
  const { nominal } = rate;
  if (hours > 23 || minutes > 59 || seconds > 59 || frames >= nominal) return undefined;
  const dropFrame = rate.dropFrame && match[4] !== ':';
  const total = 60 * hours + minutes;
  const aMinute = dropFrame ? nominal / 15 : 0;
  const within = seconds === 0 && minutes % 10 !== 0 ? Math.max(frames, aMinute) : frames;
  const frame = (60 * total + seconds) * nominal + within - aMinute * (total - Math.floor(total / 10));
  return { frame, rate: { ...rate, dropFrame } };
}

/** The frame `by` frames later within a day of the time code, which begins again after it. */
export function shiftTimecode(frame: number, by: number, { nominal, dropFrame }: TimecodeRate): number {
  const aDay = 24 * 3600 * nominal - (dropFrame ? 24 * 54 * (nominal / 15) : 0);
  return (((frame + by) % aDay) + aDay) % aDay;
}

/** Numbers left out before a frame. */
function dropped(frame: number, nominal: number): number {
  const aMinute = nominal / 15;
  const minute = 60 * nominal - aMinute;
  const tenMinutes = 10 * minute + aMinute;
  const within = frame % tenMinutes;
  // The first minute of ten is the one that drops none.
  const minutes = within < aMinute ? 0 : Math.floor((within - aMinute) / minute);
  return aMinute * (9 * Math.floor(frame / tenMinutes) + minutes);
}

const two = (value: number): string => String(value).padStart(2, '0');
