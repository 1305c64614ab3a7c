/** Times as small pictures. The digits are drawn here, so that they look the same whatever fonts a host has. */
import sharp from 'sharp';

/** SVG paths of the digits' middle lines, in a box of 10 × 16. */
const glyphs: Readonly<Record<string, string>> = {
  0: 'M5 1C2 1 1 4 1 8s1 7 4 7 4-3 4-7-1-7-4-7z',
  1: 'M2 4 5.5 1V15',
  2: 'M1.2 4.6C1.2 2.3 2.8 1 5 1s3.8 1.4 3.8 3.5C8.8 7.6 6 9.5 1.2 15H9',
  3: 'M1.4 2.6C2.3 1.5 3.5 1 5 1c2.4 0 3.7 1.4 3.7 3.2C8.7 6.2 7.2 7.5 5 7.5c2.6 0 4.1 1.5 4.1 3.7S7.5 15 5 15c-1.8 0-3.2-.7-4-2',
  4: 'M7 15V1L1 11h8.5',
  5: 'M8.4 1H2.2L1.6 7.4C2.5 6.6 3.6 6.2 5 6.2c2.6 0 4.1 1.8 4.1 4.3S7.5 15 5 15c-1.8 0-3.1-.6-4-1.8',
  6: 'M8.5 2.4C7.7 1.4 6.7 1 5.4 1 2.2 1 1 4.3 1 9.2 1 13 2.4 15 5 15s4.1-1.8 4.1-4.3S7.6 6.5 5.2 6.5C2.9 6.5 1 8.2 1 10.4',
  7: 'M1 1h8L4 15',
  8: 'M5 7.5C2.8 7.5 1.5 6.1 1.5 4.3S2.9 1 5 1s3.5 1.5 3.5 3.3S7.2 7.5 5 7.5C2.5 7.5.9 9.1.9 11.3S2.5 15 5 15s4.1-1.5 4.1-3.7S7.5 7.5 5 7.5z',
  9: 'M1.5 13.6C2.3 14.6 3.3 15 4.6 15 7.8 15 9 11.7 9 6.8 9 3 7.6 1 5 1S.9 2.8.9 5.3 2.4 9.5 4.8 9.5C7.1 9.5 9 7.8 9 5.6',
  ':': 'M3 5.5V5.4M3 12.1V12',
};
const advance: Readonly<Record<string, number>> = { ':': 6 };
const digitAdvance = 13;
const padding = 4;

/** RGBA, 4 bytes a pixel, rows from the top. */
export interface Label {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
}

/** Hours (where there are any), minutes and whole seconds, rounded down as players do. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = two(whole % 60);
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${two(minutes)}:${rest}`;
}

/** A text of digits and colons, white on a dark plate; `height` in pixels, of the plate. */
export async function timeLabel(text: string, height: number): Promise<Label> {
  let across = padding;
  const strokes = [...text].map((character) => {
    const at = across;
    across += advance[character] ?? digitAdvance;
    return `<path transform="translate(${at} ${padding})" d="${glyphs[character] ?? ''}"/>`;
  });
  const box = { width: across - 3 + padding, height: 16 + 2 * padding };
  const width = Math.round((box.width * height) / box.height);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${box.width} ${box.height}">
    <rect width="100%" height="100%" rx="4" fill="#000" fill-opacity="0.65"/>
    <g fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round">${strokes.join('')}</g></svg>`;
  const { data, info } = await sharp(Buffer.from(svg))
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}
