/** `value` to so many decimals, for what people and programs read: without the noise of floating-point sums, and never −0. */
export const rounded = (value: number, decimals: number): number => Number(value.toFixed(decimals)) + 0;

/** Seconds of a video to a microsecond, the unit that FFmpeg counts in: less than its streams tell apart. */
export const roundedSeconds = (seconds: number): number => rounded(seconds, 6);
