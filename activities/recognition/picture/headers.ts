/** What the headers of JPEG and PNG say of samples and processes that libvips says nothing of, or nothing clear. */

/** Processes of JPEG that are not read here: ITU-T T.81, table B.1; JPEG-LS: T.87. */
const PROCESSES: ReadonlyMap<number, string> = new Map([
  [0xc5, 'hierarchical'],
  [0xc6, 'hierarchical'],
  [0xc7, 'hierarchical'],
  [0xcb, 'lossless and arithmetic-coded'],
  [0xcd, 'hierarchical'],
  [0xce, 'hierarchical'],
  [0xcf, 'hierarchical'],
  [0xf7, 'JPEG-LS'],
]);
/** Start of frame: C0 to CF but for three others, and that of JPEG-LS. */
const isFrame = (marker: number): boolean =>
  marker === 0xf7 || (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker));
const START_OF_SCAN = 0xda;

/** Why a JPEG cannot be read though it is whole; undefined where it can, or where it ends before it says. Goes on from "The JPEG is ". */
export function whyJpegUnsupported(bytes: Uint8Array): string | undefined {
  for (let at = 2; at + 10 <= bytes.length; ) {
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff) return undefined;
    // Any number of fill bytes may stand before a marker.
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (isFrame(marker)) return ofFrame(marker, bytes[at + 4] ?? 8, bytes[at + 9] ?? 3);
    if (marker === START_OF_SCAN) return undefined;
    at += 2 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
  }
  return undefined;
}

function ofFrame(marker: number, bits: number, components: number): string | undefined {
  const process = PROCESSES.get(marker);
  if (process !== undefined) return process;
  if (bits !== 8) return `of ${bits} bits a sample${marker === 0xc3 ? ', lossless' : ''}`;
  return components === 1 || components === 3 || components === 4 ? undefined : `of ${components} components`;
}

/** Bits of a PNG's samples: how many each has, and how many of them count where its `sBIT` says so (PNG 3rd edition, 11.3.2.1). */
export function pngSampleBits(bytes: Buffer): { readonly bits: number; readonly significant?: number } {
  const bits = bytes[24] ?? 8;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (type === 'sBIT' && at + 8 + length <= bytes.length)
      return { bits, significant: Math.max(...bytes.subarray(at + 8, at + 8 + Math.min(length, 4))) };
    // It stands before the palette and the pixels.
    if (type === 'PLTE' || type === 'IDAT') break;
    at += 12 + length;
  }
  return { bits };
}
